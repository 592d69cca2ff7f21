-- What the samples of each prompt without a reference say together. All samples that were judged are in the count, whatever
-- another rule found in them; those that say nothing vote for nobody.
create temp table vote as
with samples as (
    select j.trace_id, j.prompt_id, j.outcome, j.reason, coalesce(c.candidate, j.ballot) as candidate
    from read_parquet($judged) as j
    left join candidate_of as c on c.prompt_id = j.prompt_id and c.ballot = j.ballot
),
counted as (
    select
        *,
        count(*) over (partition by prompt_id) as samples,
        case when candidate is not null then count(*) over (partition by prompt_id, candidate) end as votes
    from samples
    where prompt_id in (select prompt_id from samples where candidate is not null)
),
elected as (
    select prompt_id, min(candidate) as elected
    from (select distinct prompt_id, candidate, votes, max(votes) over (partition by prompt_id) as most, samples from counted)
    where votes = most and votes >= $share * samples and samples >= $fewest
    group by prompt_id
    having count(*) = 1
),
decided as (
    select
        c.*,
        e.elected,
        c.outcome = 'undecided' and c.reason = 'no_reference' as is_pending,
        c.candidate is not null and c.candidate = e.elected as is_elected
    from counted as c
    left join elected as e using (prompt_id)
)
select
    trace_id,
    prompt_id,
    is_elected,
    case
        when not is_pending then null
        when is_elected then 'kept'
        when elected is not null and candidate is not null then 'rejected'
        else 'undecided'
    end as outcome,
    case
        when not is_pending or is_elected then null
        when samples < $fewest then 'too_few_votes'
        when elected is null then 'no_majority'
        when candidate is null then 'no_ballot'
        else 'outvoted'
    end as reason,
    case
        when not is_pending or is_elected then null
        when samples < $fewest then format('{} samples, vote_samples is {}', samples, $fewest)
        when elected is null then format('no answer has {:.0f} % of its {} samples', 100 * $share, samples)
        when candidate is null then format('no final answer is marked; the majority says {}', left(elected, 80))
        else format('{} of {} samples say {}, this one {}', (
            select max(o.votes) from counted as o where o.prompt_id = decided.prompt_id and o.candidate = decided.elected
        ), samples, left(elected, 80), left(candidate, 80))
    end as details,
    format('"vote": {{"samples": {}, "votes": {}, "elected": {}}}', samples, coalesce(votes, 0), coalesce(is_elected, false))
        as signal
from decided
