"""Sheets on which pictures stand side by side."""

from fststyle.config import CompareConfig
from fststyle.images import check_writable, read_image, resize, sheet, write_image
from fststyle.runtime.pictures import stylize
from fststyle.runtime.stylizer import Stylizer


def run(config: CompareConfig) -> None:
    """``fststyle compare``: a row for each photo: content, painting, every network's picture."""
    check_writable(config.output)
    paintings = [read_image(path) for path in config.style]
    stylizers = [Stylizer(path, config.provider) for path in config.models]
    rows = []
    for path in config.content:
        content = read_image(path)
        content = resize(content, config.height / content.height)
        rows.append([content, *paintings, *(stylize(s, content) for s in stylizers)])
    titles = ["content", *(path.stem for path in (*config.style, *config.models))]
    write_image(sheet(rows, titles=titles, height=config.height), config.output)
    print(config.output)
