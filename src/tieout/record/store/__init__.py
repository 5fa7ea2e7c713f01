"""The store: tables, migrations, and the two databases that hold them behind one interface."""
