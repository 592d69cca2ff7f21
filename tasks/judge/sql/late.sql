-- What looking at all traces adds to the verdict of each survivor that loses or is similar to another. Ranks within a prompt count
-- only those that are no duplicates, so that k different ones are kept where there are k.
create temp table late as
with standing as (
    select
        s.place,
        s.trace_id,
        s.prompt_id,
        s.teacher,
        f.kind,
        f.jaccard,
        coalesce(f.rejects, false) as is_duplicate,
        b.trace_id as similar_to,
        b.teacher as similar_to_teacher
    from survivor as s
    left join found as f using (place)
    left join survivor as b on b.place = f.similar_to
),
ranked as (
    select *, row_number() over (partition by prompt_id, is_duplicate order by place) as rank from standing
),
measured as (
    select
        *,
        not is_duplicate and coalesce(rank > $keep, false) as is_over,
        case kind
            when 'exact' then 'same text as ' || similar_to
            when 'near' then format('Jaccard {:.3f} with ', jaccard) || similar_to
        end as likeness
    from ranked
)
select
    place,
    trace_id,
    teacher,
    kind,
    jaccard,
    is_duplicate,
    similar_to,
    similar_to_teacher,
    case when is_duplicate then kind || '_duplicate' when is_over then 'over_k' end as reason,
    case when is_duplicate then 'duplicate' when is_over then 'per_prompt' end as rule,
    case when is_duplicate then $duplicate_version when is_over then $per_prompt_version end as rule_version,
    case
        when is_duplicate then likeness
        when is_over then format('number {} of its prompt, keep_per_prompt is {}', rank, $keep)
    end as details,
    concat_ws(
        ', ',
        case when kind is not null then
            format('"duplicate": {{"jaccard": {:.4f}, "kind": "{}", "similar_to": "{}"}}', jaccard, kind, similar_to)
        end,
        case when is_over then format('"per_prompt": {{"rank": {}}}', rank) end
    ) as signal
from measured
where kind is not null or is_over
