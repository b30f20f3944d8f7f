"""What the report says of each section: paragraphs that state the configuration really used, and what the tables hold.

Each function takes the evidence and gives paragraphs of plain text. The registry in
:mod:`cayley_adapters.report.contents` says which is whose.
"""
