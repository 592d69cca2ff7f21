-- What duplicates and the choice within a prompt add to the verdict of each survivor that loses, is similar to another or
-- holds templates. Chosen are only those that are neither duplicates nor templates, so that k different ones are kept where there are k.
create temp table late as
with good as (
    select prompt_id, count(*) as good from standing where not is_duplicate and not is_template group by prompt_id
),
ranked as (
    select s.*, c.rank, g.good
    from standing as s
    left join chosen as c using (place)
    left join good as g using (prompt_id)
),
measured as (
    select
        *,
        not is_duplicate and not is_template and rank is null and coalesce(good > $keep, false) as is_over,
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
    case when is_duplicate then kind || '_duplicate' when is_template then 'template' when is_over then 'over_k' end as reason,
    case when is_duplicate then 'duplicate' when is_template then 'template' when is_over then 'per_prompt' end as rule,
    case
        when is_duplicate then $duplicate_version
        when is_template then $template_version
        when is_over then $per_prompt_version
    end as rule_version,
    case
        when is_duplicate then likeness
        when is_template then
            format('templates cover {:.0f} % of it, max_template is {:g} %', 100 * share, 100 * $template::double)
        when is_over then format('{} good traces of its prompt, keep_per_prompt is {}: others differ more', good, $keep)
    end as details,
    concat_ws(
        ', ',
        case when kind is not null then
            format('"duplicate": {{"jaccard": {:.4f}, "kind": "{}", "similar_to": "{}"}}', jaccard, kind, similar_to)
        end,
        case when share is not null then
            format(
                '"template": {{{}"share": {:.4f}}}', case when is_made_of_templates then '"found": "template", ' else '' end, share
            )
        end,
        case when rank is not null or is_over then
            format('"per_prompt": {{"good": {}, "rank": {}}}', good, coalesce(rank::text, 'null'))
        end
    ) as signal
from measured
where kind is not null or is_over or rank is not null or share is not null
