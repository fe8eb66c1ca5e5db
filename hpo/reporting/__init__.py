"""What a report says: tables, sections, and the document they are put in."""
