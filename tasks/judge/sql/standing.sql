-- Every survivor with what was found of it beside the others.
create temp table standing as
select
    s.place,
    s.trace_id,
    s.prompt_id,
    s.teacher,
    s.is_right,
    f.kind,
    f.jaccard,
    coalesce(f.rejects, false) as is_duplicate,
    t.share,
    coalesce(t.share > $template, false) as is_made_of_templates,
    $drops and coalesce(t.share > $template, false) and not coalesce(f.rejects, false) as is_template,
    b.trace_id as similar_to,
    b.teacher as similar_to_teacher
from survivor as s
left join found as f using (place)
left join survivor as b on b.place = f.similar_to
left join template as t on t.place = s.place
