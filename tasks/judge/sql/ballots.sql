-- The prompts whose samples say different things, as text: whether they mean the same is for the verifier to say.
select prompt_id, verifier, list(distinct ballot order by ballot) as ballots
from read_parquet($judged)
where ballot is not null
group by prompt_id, verifier
having count(distinct ballot) > 1
order by prompt_id
