"""The views of our pages. A form posts and redirects; a part of a page is one template, at first paint and later."""
