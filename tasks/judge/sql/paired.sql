-- The texts of the traces that are in a likely pair, and what must be known of each.
select s.place, s.prompt_id, s.words, s.numbers, t.reasoning, t.answer
from survivor as s
semi join paired using (place)
join traces as t using (trace_id)
