-- The prompt that the trace answers.
select * from prompts where prompt_id = $key
