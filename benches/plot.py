"""Draws lines over two axes that count in powers of ten, as SVG: small, and readable on light and dark pages."""

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 380, 64, 190, 34, 44
# Told apart without colour as well, by their dashes: ours is drawn through.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7f7f7f", "#e69f00")
STYLE = """<style>
text { font: 12px sans-serif; fill: #24292f } .title { font-weight: bold } .small { font-size: 11px }
.grid { stroke: #8c959f; stroke-opacity: .3 } polyline { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #d1d7e0 } }
</style>"""


def powers(values):
    """The powers of ten that lie around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return list(range(low, max(high, low + 1) + 1))


def label(power, unit):
    if unit != "s":
        return f"{10 ** power:,}{unit}" if power >= 0 else f"{10.0 ** power:g}{unit}"
    return {-3: "1 ms", -2: "10 ms", -1: "0.1 s"}.get(power, f"{10.0 ** power:g} s")


def draw(title, across, lines, unit=""):
    """Returns the picture. `lines`: (name, is_ours, [(x, y)]); what is not above zero is left out."""
    lines = [(name, ours, [(x, y) for x, y in points if x > 0 and y > 0]) for name, ours, points in lines]
    lines = [line for line in lines if line[2]]
    xs = powers([x for _, _, points in lines for x, _ in points])
    ys = powers([y for _, _, points in lines for _, y in points])
    place_x = lambda x: LEFT + (math.log10(x) - xs[0]) / (xs[-1] - xs[0]) * (WIDTH - LEFT - RIGHT)
    place_y = lambda y: HEIGHT - BOTTOM - (math.log10(y) - ys[0]) / (ys[-1] - ys[0]) * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">', STYLE,
           f'<text class="title" x="{LEFT}" y="18">{title}</text>']
    for power in xs:
        x = place_x(10 ** power)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text class="small" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10 ** power:,}</text>')
    for power in ys:
        y = place_y(10.0 ** power)
        out.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        out.append(f'<text class="small" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label(power, unit)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text class="small" x="{middle:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{across}</text>')
    # Names stand where their lines end, moved apart where those are close.
    below = TOP - 20
    ends = sorted(range(len(lines)), key=lambda number: place_y(lines[number][2][-1][1]))
    heights = {}
    for number in ends:
        below = heights[number] = max(place_y(lines[number][2][-1][1]) + 4, below + 15)
    for number, (name, ours, points) in enumerate(lines):
        colour, dash = COLOURS[number % len(COLOURS)], "" if ours else ' stroke-dasharray="5 4"'
        path = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" stroke="{colour}"{dash}/>')
        out += [f'<circle cx="{place_x(x):.1f}" cy="{place_y(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        end = place_x(points[-1][0])
        out.append(f'<text class="small" x="{max(end, WIDTH - RIGHT - 60) + 8:.1f}" y="{heights[number]:.1f}">'
                   f'<tspan fill="{colour}">{"●" if ours else "○"}</tspan> {name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
