"""Alembic's entry: runs on the connection that `voorrang.migrating` gives."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=False)
context.run_migrations()
