-- Every append updates the head, and the server reads and compiles the check anew for each statement. The row is
-- the only one that statements name, whatever else is in the table.
ALTER TABLE cqrs.head DROP CONSTRAINT IF EXISTS head_id_check;
