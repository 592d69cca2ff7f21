-- Phrases that the screen `trigger` counted are words of the teacher: they go where all of the teacher's answers go.
update store.screen set counts = '{}', statistic = 'purged'
where screen = 'trigger'
    and teacher in (
        select d.teacher from store.decision as d
        join store.terms as t on t.teacher = d.teacher and t.terms_sha256 = d.terms_sha256
        join store.recall as r on r.recall_id = ? and r.denies
        where coalesce(r.teacher = d.teacher, true) and coalesce(r.route = t.route, true)
            and coalesce(r.terms in (d.terms_id, d.terms_sha256), true)
    )
