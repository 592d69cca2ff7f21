-- Which columns a part has: the ledger and the traces gained some. Parts of before are of layout 1.
alter table store.file add column layout integer;
