-- The terms it was given under, of whichever teacher has them.
select * exclude (text) from terms where terms_sha256 = $key order by teacher
