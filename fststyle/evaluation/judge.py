"""Blind comparison: a page on which people say which of two pictures is better, and what follows
from what they said."""

from fststyle.config import JudgeConfig
from fststyle.config.calls import from_settings
from fststyle.evaluation.judge_page import find_methods, write_page
from fststyle.evaluation.votes import figures, read_votes, tables
from fststyle.utils.failures import Failures
from fststyle.utils.figures import write_json
from fststyle.utils.files import check_free_options, check_suffix


@from_settings(JudgeConfig)
def judge(config: JudgeConfig) -> int:
    """``fststyle judge``: writes one page with pairs of pictures in random order, whose makers it
    does not name, or, given the votes that such pages saved, prints scores of the makers.

    Returns 0, or 1 where some pictures, or votes, could not be used. Raises ValueError or
    FileNotFoundError with the reason where nothing can be shown or told.
    """
    failures = Failures()
    if config.result:
        check_free_options(config, "json")
        votes = read_votes(config.result, failures)
        found = figures(votes)
        print(tables(found))
        if config.json:
            write_json(config.json, {**found, "passed_over": failures.reasons})
    else:
        check_suffix(config.output, ".html")
        check_free_options(config, "output")
        print(write_page(config, find_methods(config.folders), failures))
    return failures.report()
