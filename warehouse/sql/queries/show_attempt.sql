-- The attempt that brought it, without headers and body.
select * exclude (headers, body) from attempts where attempt_id = $key
