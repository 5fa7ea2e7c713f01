"""How a report is shown to a person: `table` for a terminal, `page` for a browser, `words` for both."""
