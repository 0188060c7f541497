-- Why: to be written.
select;
