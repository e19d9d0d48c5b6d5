# SPDX-License-Identifier: MIT
# guest-init/repl-display.py - what the code shows that is no text: pictures, tables
#
# Stands before repl.py in one program.  Shown are: the value of the last
# expression, if it has _repr_png_() or its like; what display() is given; and the
# figures of matplotlib.pyplot, when show() is called or the call ends.
import importlib.abc
import importlib.util
import io
import struct
import sys

DISPLAY_BYTES_MAX = 48 << 20	# of one call
DISPLAY_PIECE = 60000
FORMS = (("_repr_png_", "image/png"), ("_repr_jpeg_", "image/jpeg"),
         ("_repr_svg_", "image/svg+xml"), ("_repr_html_", "text/html"),
         ("_repr_markdown_", "text/markdown"), ("_repr_latex_", "text/latex"),
         ("_repr_json_", "application/json"), ("_repr_pdf_", "application/pdf"))


def value(tag, data):
    return struct.pack("<HHI", tag, 0, len(data)) + data


class ShowHook(importlib.abc.MetaPathFinder):
    """Sees matplotlib.pyplot come, whose show() becomes ours."""

    def __init__(self, show):
        self.show = show

    def find_spec(self, name, path=None, target=None):
        if name != "matplotlib.pyplot" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                module.show = self.show

            spec.loader.exec_module = exec_module
        return spec


class Displays:
    def __init__(self, send):
        self.send = send	# one message: the values of a DISPLAY
        self.wanted = False
        self.begin(False)
        sys.meta_path.insert(0, ShowHook(self.show_figures))

    def begin(self, wanted):
        self.wanted = wanted
        self.count = 0
        self.bytes = 0

    def put(self, bundle):
        """One thing, in all its forms."""
        if not bundle:
            return
        self.count += 1
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        for mime, data in bundle.items():
            if not isinstance(data, (bytes, bytearray)):
                if not isinstance(data, str):
                    import json
                    data = json.dumps(data)
                data = data.encode("utf-8", "replace")
            self.bytes += len(data)
            if self.bytes > DISPLAY_BYTES_MAX:
                sys.stderr.write("%s of %d bytes is not shown: too much\n" %
                                 (mime, len(data)))
                return
            head = value(99, struct.pack("<I", self.count)) + \
                value(100, mime.encode()[:200])
            for at in range(0, len(data), DISPLAY_PIECE):
                self.send(head + value(101, bytes(
                    data[at:at + DISPLAY_PIECE])))

    @staticmethod
    def bundle(thing):
        """Its forms by MIME type; what cannot be drawn has none."""
        forms = {}
        if isinstance(thing, type):
            return forms
        try:
            whole = getattr(thing, "_repr_mimebundle_", None)
            if whole is not None:
                whole = whole()
                if isinstance(whole, tuple):
                    whole = whole[0]
                forms.update((k, v) for k, v in (whole or {}).items()
                             if k != "text/plain")
        except Exception:
            pass
        for method, mime in FORMS:
            if mime in forms:
                continue
            try:
                method = getattr(thing, method, None)
                data = method() if method is not None else None
                if isinstance(data, tuple):
                    data = data[0]
                if data is not None:
                    forms[mime] = data
            except Exception:
                pass
        return forms

    @staticmethod
    def draw(figure):
        out = io.BytesIO()
        figure.savefig(out, format="png", bbox_inches="tight")
        return {"image/png": out.getvalue()}

    def show(self, thing):
        """The value of the last expression, printed already."""
        if not self.wanted or thing is None:
            return
        figure = sys.modules.get("matplotlib.figure")
        if figure is not None and isinstance(thing, figure.Figure):
            if getattr(thing, "number", None) is None:
                self.put(self.draw(thing))
            return	# of pyplot: it comes with the others
        self.put(self.bundle(thing))

    def display(self, *things):
        """For the user's code: show them, with text where there is no more."""
        for thing in things:
            forms = self.bundle(thing)
            if self.wanted and forms:
                self.put(forms)
            else:
                print(repr(thing))

    def show_figures(self, *args, **kwargs):
        """Those of pyplot; then they are gone, as in a notebook."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if not self.wanted or pyplot is None or \
                not hasattr(pyplot, "get_fignums"):
            return
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            try:
                self.put(self.draw(figure))
            finally:
                pyplot.close(figure)
