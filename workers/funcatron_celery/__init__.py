"""Celery workers, publishing, schedules and the embedded SQLite transport."""
