-- The titles that a tenant gives to columns, as a JSON object from titles to columns; null if it gives none.
alter table tenants add column own_titles text;

-- The sheet that is read of a workbook; null if the file is none.
alter table jobs add column raw_sheet text;
