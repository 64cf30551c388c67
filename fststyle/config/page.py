"""The page in the browser."""

from fststyle.config.settings import OptionalPath, Settings, Texts, check, setting, within
from fststyle.utils.pretrained import describe_no_style, shipped_styles, style_file


class PageConfig(Settings):
    """``page``: a folder of files that stylizes in the browser."""

    output: OptionalPath = setting(
        "the folder to write, for any file server; with --serve it may be left out",
        default=None,
        kw_only=False,
    )
    styles: Texts = setting(
        "the styles of the page, by the names under which they ship or as NAME.onnx, exported with"
        " --uint8 (default: all those for live video that ship)",
        default=(),
    )
    overwrite: bool = setting("replace a page that is there already", default=False)
    serve: bool = setting("serve the page to this machine, until Ctrl-C", default=False)
    port: int = setting("for --serve; 0 takes a free one", default=0)
    open: bool = setting("--serve opens the browser", default=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self.output is not None or self.serve,
            "page OUT: name the folder to write, or --serve to look at a page at once",
        )
        within(0, 65535, self, "port")
        check(bool(self.shown), "--styles: none ship here; name some, NAME.onnx")
        for name in self.shown:
            check(style_file(name).suffix == ".onnx", f"--styles: {describe_no_style(name)}")
        names = [style_file(name).stem for name in self.shown]
        twice = next((name for name in names if names.count(name) > 1), None)
        check(twice is None, f"--styles: two are called {twice}")

    @property
    def shown(self) -> tuple[str, ...]:
        """The styles of the page."""
        return self.styles or tuple(n for n in shipped_styles() if n.endswith("_live"))
