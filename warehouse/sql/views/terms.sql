create or replace view terms as
select
    terms_id,
    terms_sha256,
    teacher,
    weights_license,
    route,
    route_license,
    outputs_trainable,
    conditions,
    reviewed_by,
    reviewed_on,
    expires_on,
    text
from store.terms;

comment on view terms is 'The terms teachers were asked under: the weights'' licence and the route''s terms together.';
comment on column terms.terms_id is 'Name of the terms';
comment on column terms.terms_sha256 is 'Key, with teacher: hash of licences, conditions, evidence and review';
comment on column terms.teacher is 'The registry''s name of the teacher';
comment on column terms.weights_license is 'Licence of the weights, SPDX id or LicenseRef';
comment on column terms.route is 'How the model is reached';
comment on column terms.route_license is 'Terms of the route';
comment on column terms.outputs_trainable is 'yes, conditional, no or unknown';
comment on column terms.conditions is 'Conditions that a machine can check, JSON';
comment on column terms.reviewed_by is 'The person who signed';
comment on column terms.reviewed_on is 'When they signed';
comment on column terms.expires_on is 'When the review lapses';
comment on column terms.text is 'Evidence: which texts were read, with their hashes, JSON';
