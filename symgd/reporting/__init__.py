"""What symgd says to people: errors, statuses, numbers, tables, pictures."""
