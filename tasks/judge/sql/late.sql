-- What looking at all traces adds to the verdict of each survivor that loses, is similar to another or holds
-- templates. Ranks within a prompt count only those that are no duplicates, so that k different ones are kept where there are k.
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
        t.share,
        coalesce(t.share > $template, false) as is_made_of_templates,
        b.trace_id as similar_to,
        b.teacher as similar_to_teacher
    from survivor as s
    left join found as f using (place)
    left join survivor as b on b.place = f.similar_to
    left join template as t on t.place = s.place
),
ranked as (
    select *, row_number() over (partition by prompt_id, is_duplicate or is_template order by place) as rank
    from (select *, $drops and is_made_of_templates and not is_duplicate as is_template from standing)
),
measured as (
    select
        *,
        not is_duplicate and not is_template and coalesce(rank > $keep, false) as is_over,
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
        when is_over then format('number {} of its prompt, keep_per_prompt is {}', rank, $keep)
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
        case when is_over then format('"per_prompt": {{"rank": {}}}', rank) end
    ) as signal
from measured
where kind is not null or is_over or share is not null
