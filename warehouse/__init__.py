"""What exists: records, schemas, SQL and the catalog. Imports nothing from `tasks` or `flows`."""
