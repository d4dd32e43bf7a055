"""The pieces of the HTML page: its data by column, figures over them, charts, and what is fixed (page.css, page.js)."""
