"""Prints a page that holds each of the given pages in two frames, wide and narrow, and says whether each fits its frame.

The policy of a page holds in its frame too: a style sheet that it does not allow is not applied, and that shows.
"""

import json
import pathlib
import sys

WIDTHS = [1280, 390]
SCRIPT = """
const pages = %s;
const list = document.querySelector('ul');
function judge(name, width, frame) {
  const view = frame.contentDocument, root = view.documentElement;
  const styled = frame.contentWindow.getComputedStyle(view.body).marginTop === '0px';
  view.querySelectorAll('details').forEach(one => { one.open = true; });
  const fits = root.scrollWidth <= width;
  const wide = [...view.querySelectorAll('body *')].find(one => one.getBoundingClientRect().right > width + 1);
  const why = !styled ? 'has no style' : fits ? 'fits' : 'is ' + root.scrollWidth + ' wide: ' + (wide ? wide.outerHTML.slice(0, 80) : '?');
  const item = document.createElement('li');
  item.textContent = name + ' at ' + width + ' ' + why;
  list.append(item);
}
for (const [name, text] of Object.entries(pages)) for (const width of %s) {
  const frame = document.createElement('iframe');
  frame.style = 'border: 0; height: 800px; width: ' + width + 'px';
  frame.onload = () => { judge(name, width, frame); frame.remove(); };
  frame.srcdoc = text;
  document.body.append(frame);
}
"""

pages = {path.stem: path.read_text() for path in sorted(pathlib.Path(sys.argv[1]).glob("*.html"))}
if not pages:
    sys.exit(f"there are no pages in {sys.argv[1]}: run `cargo test --test it report` first")
# A text may hold what ends a script.
quoted = json.dumps(pages).replace("<", "\\u003c")
print(f"<!doctype html><meta charset=utf-8><body><ul></ul><script>{SCRIPT % (quoted, json.dumps(WIDTHS))}</script>")
