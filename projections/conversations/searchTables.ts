/**
 * The words of every write, findable. The index keeps no text: what it was made from stands in `write`, and `searchable`
 * shows it that. It follows behind (`searchIndex.ts`), so taking an event costs nothing more; what shows is decided when
 * somebody asks. A write that goes takes its words along, out of the index's own pages too (`secure-delete`).
 */
export const searchTables = [
  `create view searchable as
     select w.id, 't' || c.tenant as tenant, w.content from write w join conversation c on c.id = w.conversation`,
  `create virtual table said using fts5 (
     tenant, content, content = 'searchable', content_rowid = 'id', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
   )`,
  "insert into said (said, rank) values ('secure-delete', 1)",
  // writes up to this one are in the index; one row
  "create table searched (id integer primary key check (id = 1), write integer not null) strict",
  "insert into searched values (1, 0)",
  `create trigger write_unsaid before delete on write
     when old.content is not null and old.id <= (select write from searched where id = 1)
   begin
     insert into said (said, rowid, tenant, content) select 'delete', id, tenant, content from searchable where id = old.id;
   end`
]
