-- The blocks of positions in which a type occurs, for reads of a rare type: block b has the positions
-- b * 256 + 1 to b * 256 + 256. An append adds a row when a type first occurs in a block.
--
-- Filled here for the log so far, while processes of earlier versions continue to write it. The next
-- migration, which shuts them out, adds the rest.
CREATE TABLE cqrs.type_blocks (
    type  text   COLLATE "C" NOT NULL,
    block bigint NOT NULL,
    PRIMARY KEY (type, block)
);

INSERT INTO cqrs.type_blocks (type, block)
SELECT DISTINCT type, (position - 1) / 256
FROM cqrs.events;
