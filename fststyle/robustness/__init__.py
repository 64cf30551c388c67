"""How the commands end on damaged and hostile files, and how trainings go on that were killed."""
