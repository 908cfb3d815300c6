"""Run records to tables, figures and pages."""
