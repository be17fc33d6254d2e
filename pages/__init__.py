"""What the site of documents needs beside mkdocs: the files of the repository that pages link to, and the drawing.

`mkdocs.yml` names `pages/hooks.py`; `make drawing` writes the drawing. Nothing that ships imports this
package.
"""
