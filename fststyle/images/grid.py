"""Contact sheets."""

from collections.abc import Iterable

from PIL import Image

from fststyle.images.geometry import resize


def sheet(
    rows: Iterable[Iterable[Image.Image]],
    *,
    height: int = 256,
    titles: Iterable[str] = (),
) -> Image.Image:
    """Pictures in rows, each scaled to ``height`` pixels, columns aligned, titles above them."""
    from PIL import ImageDraw, ImageFont

    gap = 8
    scaled = [[resize(image, height / image.height).convert("RGB") for image in r] for r in rows]
    columns = max(len(row) for row in scaled)
    widths = [max(row[c].width for row in scaled if c < len(row)) for c in range(columns)]
    title_height = 28 if titles else 0
    size = (sum(widths) + gap * (columns + 1), title_height + len(scaled) * (height + gap) + gap)
    drawn = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(drawn), ImageFont.load_default(16)
    lefts = [gap + sum(widths[:c]) + gap * c for c in range(columns)]
    for left, width, title in zip(lefts, widths, titles, strict=False):
        draw.text((left + width / 2, title_height - 2), title, "black", font, anchor="ms")
    for r, row in enumerate(scaled):
        for left, width, image in zip(lefts, widths, row, strict=False):
            drawn.paste(
                image, (left + (width - image.width) // 2, title_height + gap + r * (height + gap))
            )
    return drawn


def captioned(image: Image.Image, text: str) -> Image.Image:
    """``image`` with ``text`` in a white strip below it."""
    from PIL import ImageDraw, ImageFont

    drawn = Image.new("RGB", (image.width, image.height + 22), "white")
    drawn.paste(image)
    place = (image.width / 2, image.height + 17)
    ImageDraw.Draw(drawn).text(place, text, "black", ImageFont.load_default(15), anchor="ms")
    return drawn
