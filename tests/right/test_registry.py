from pathlib import Path

import pytest

from tasks.right.registry import find_teacher, load_teachers, shipped_teachers
from tasks.right.terms import AccountBudget, Price, Quota, Review
from warehouse.errors import BadInput

FIVE_LINES = """
    name: my-vllm
    base_url: http://10.0.0.5:8000/v1/
    model: my-org/my-model
    license: Apache-2.0
    reviewed: {by: Ada Lovelace, on: 2026-11-21}
"""


def refusal(load, *entries: str, **files: str) -> str:
    with pytest.raises(BadInput) as refused:
        load(*entries, **files)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_five_lines_describe_a_server_of_ones_own(own) -> None:
    teacher = own(FIVE_LINES)["my-vllm"]
    assert (teacher.route, teacher.base_url) == ("self-hosted", "http://10.0.0.5:8000/v1")
    assert (teacher.account, teacher.pool) == ("10.0.0.5:8000", "my-org/my-model")
    assert teacher.expected_models == ("my-org/my-model",)
    assert teacher.price == Price(usd_per_million_input=0, usd_per_million_output=0)
    assert (teacher.quota, teacher.api_key_env, teacher.simulated) == (Quota(), None, False)
    assert teacher.weights.outputs_trainable == "yes"
    assert isinstance(teacher.review, Review)
    assert str(teacher.review.expires_on) == "2027-02-19"


def test_everything_an_entry_may_say_is_carried(own) -> None:
    teacher = own(
        """
        - name: first
          base_url: http://10.0.0.5:8000/v1
          model: served
          weights: deepseek-r1
          revision: abc123
          api_key_env: MY_KEY
          account: lab
          pool: gpus
          quota: {requests_per_minute: 60, tokens_per_minute: 100000, concurrency: 8}
          price: {usd_per_million_input: 0.5, usd_per_million_output: 2, as_of: 2026-11-01}
          expected_models: [served, served-fp8]
          reasoning: none
          reviewed: {by: Ada, on: 2026-11-21, expires_after_days: 30}
        - name: second
          base_url: http://10.0.0.5:8001/v1
          model: other
          license: MIT
        """
    )["first"]
    assert teacher.weights.weights == "deepseek-r1" and teacher.weights.evidence is not None
    assert (teacher.account, teacher.pool, teacher.revision, teacher.api_key_env) == (
        "lab",
        "gpus",
        "abc123",
        "MY_KEY",
    )
    assert teacher.quota == Quota(requests_per_minute=60, tokens_per_minute=100000, concurrency=8)
    assert teacher.price is not None and teacher.price.usd_per_million_output == 2
    assert (teacher.expected_models, teacher.reasoning) == (("served", "served-fp8"), "none")
    assert teacher.review is not None and str(teacher.review.expires_on) == "2026-12-21"


def test_a_model_id_that_is_known_brings_its_terms_along(own) -> None:
    teacher = own(FIVE_LINES.replace("my-org/my-model", "Qwen/Qwen3-8B"))["my-vllm"]
    assert (teacher.weights.weights, teacher.reasoning) == ("qwen3", "raw")


def test_of_two_patterns_the_longer_one_knows_the_model(own) -> None:
    entry = "name: a\nbase_url: http://10.0.0.5/v1\nmodel: "
    assert own(entry + "Qwen/Qwen2.5-72B-Instruct")["a"].weights.weights == "qwen-2024"
    assert own(entry + "Qwen/Qwen2.5-7B-Instruct")["a"].weights.weights == "qwen2.5"
    assert (
        own(entry + "deepseek-ai/DeepSeek-R1-Distill-Llama-8B")["a"].weights.weights == "deepseek-r1-distill-llama-8b"
    )


def test_a_route_gives_its_endpoint_and_the_name_of_its_key(own) -> None:
    teacher = own("name: ds\nmodel: deepseek-reasoner\nroute: deepseek-api")["ds"]
    assert (teacher.base_url, teacher.api_key_env) == ("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY")
    assert (teacher.account, teacher.price) == ("deepseek-api", None)
    assert teacher.weights.weights == "served-by-its-maker"


def test_a_route_of_others_models_needs_their_licence_too(own) -> None:
    assert "license is missing" in refusal(own, "name: a\nmodel: anything\nroute: together")
    teacher = own("name: a\nmodel: deepseek-ai/DeepSeek-R1\nroute: together")["a"]
    assert (teacher.weights.weights, teacher.route_terms.outputs_trainable) == ("deepseek-r1", "conditional")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://API.OpenAI.com./v1",
        "http://eu.api.openai.com:8443/v1",
        "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1",
        "https://api.groq.com/openai/v1",
    ],
)
def test_a_host_of_a_route_cannot_pass_as_ones_own_server(own, url: str) -> None:
    message = refusal(own, FIVE_LINES.replace("http://10.0.0.5:8000/v1/", url))
    assert "belongs to route" in message and "set `route: " in message


@pytest.mark.parametrize("url", ["https://notopenai.com/v1", "https://openai.com.example.org/v1"])
def test_a_host_that_only_looks_like_one_is_left_alone(own, url: str) -> None:
    assert own(FIVE_LINES.replace("http://10.0.0.5:8000/v1/", url))["my-vllm"].route == "self-hosted"


def test_a_route_is_not_used_for_a_host_that_is_not_its_own(own) -> None:
    entry = "name: a\nmodel: deepseek-reasoner\nroute: deepseek-api\nbase_url: http://10.0.0.5/v1"
    assert "is no host of route 'deepseek-api'" in refusal(own, entry)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("modle: x", "unknown field 'modle': known fields are name, base_url"),
        ("api_key: sk-very-secret", "unknown field 'api_key'"),
        ("api_key_env: sk-very-secret", "api_key_env: write the NAME of an environment variable"),
        (
            "quota: {requests_per_minute: 0}",
            "quota.requests_per_minute: should be greater than or equal to 1, not 0",
        ),
        ("quota: {rpm: 60}", "unknown field 'quota.rpm'"),
        ("price: {usd_per_million_input: 1, usd_per_million_output: 1}", "price: as_of is missing"),
        ("price: {usd_per_million_input: .nan, usd_per_million_output: 1}", "price.usd_per_million_input"),
        ("reasoning: hidden", "reasoning: should be"),
        ("expected_models: []", "expected_models"),
        ("simulated: yes", "simulated: should be a valid boolean"),
        (
            "attestations: [{of: weights, condition: luck, by: Ada, on: 2026-11-21}]",
            "attestations.0.condition",
        ),
        ("outputs_trainable: yes", "evidence is missing"),
        ("conditions: [{id: noncommercial}]", "conditions: license says that already"),
        ("route: carrier-pigeon", "unknown route 'carrier-pigeon': known routes are"),
        ("weights: carrier-pigeon", "unknown weights 'carrier-pigeon': known are"),
        ("route: simulated", "route: simulated and simulated: true go together"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(own, line: str, said: str) -> None:
    message = refusal(own, FIVE_LINES + "    " + line)
    assert "entry0.yaml: " in message and said in message
    assert "very-secret" not in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("license: Apache-2.0", "license: Apache2", "license: 'Apache2' is no SPDX licence id"),
        ("license: Apache-2.0", "", "license is missing"),
        ("model: my-org/my-model", "", "model is missing"),
        (
            "model: my-org/my-model",
            "model: simulated-teacher",
            "model: simulated-teacher and simulated: true",
        ),
        ("name: my-vllm", "name: a/b", "name: "),
        ("name: my-vllm", "name: x@self-hosted", "name: "),
        ("base_url: http://10.0.0.5:8000/v1/", "", "base_url is missing"),
        ("http://10.0.0.5:8000/v1/", "http://ada:very-secret@10.0.0.5/v1", "a URL holds no user"),
        ("http://10.0.0.5:8000/v1/", "http://10.0.0.5/v1?key=very-secret", "a URL holds no user"),
        ("http://10.0.0.5:8000/v1/", "10.0.0.5:8000", "write a URL such as"),
        ("http://10.0.0.5:8000/v1/", "http://10.0.0.5:99999/v1", "the port is no number"),
        ("on: 2026-11-21", "on: 2026-11-21, expires_after_days: 3650", "reviewed.expires_after_days"),
        ("by: Ada Lovelace, ", "", "reviewed.by is missing"),
        ("by: Ada Lovelace", "by: ' '", "reviewed.by"),
        ("on: 2026-11-21", "on: soon", "reviewed.on"),
        ("on: 2026-11-21", "on: 2026-13-41", "Mend the YAML"),
        ("model: my-org/my-model", "model: a\n    model: b", "'model' twice"),
        (
            "model: my-org/my-model",
            "model: Qwen/Qwen2.5-72B-Instruct",
            "is under LicenseRef-scancode-qwen-2024",
        ),
        (
            "license: Apache-2.0",
            "weights: qwen-2024\n    license: MIT",
            "is under LicenseRef-scancode-qwen-2024",
        ),
        ("license: Apache-2.0", "license: LicenseRef-scancode-qwen-2024", "say `weights: qwen-2024`"),
        (
            "model: my-org/my-model\n    license: Apache-2.0",
            "model: meta-llama/Llama-3.1-8B\n    weights: qwen3",
            "is known to be of llama-3.1",
        ),
    ],
)
def test_an_entry_that_contradicts_itself_or_the_registry_is_refused(own, old: str, new: str, said: str) -> None:
    assert old in FIVE_LINES
    message = refusal(own, FIVE_LINES.replace(old, new))
    assert "entry0.yaml" in message and said in message
    assert "very-secret" not in message


def test_terms_of_ones_own_need_evidence(own) -> None:
    stated = FIVE_LINES.replace("Apache-2.0", "LicenseRef-our-contract") + (
        "    outputs_trainable: conditional\n"
        "    conditions: [{id: noncommercial}]\n"
        "    evidence: {source: our contract, retrieved: 2026-11-01, mark: primary, quote: as you like}\n"
    )
    teacher = own(stated)["my-vllm"]
    assert teacher.weights.outputs_trainable == "conditional"
    assert [condition.id for _, condition in teacher.conditions] == ["noncommercial"]
    assert "conditions must be listed" in refusal(own, stated.replace("conditional", "yes"))


def test_a_noncommercial_licence_is_never_simply_trainable(own) -> None:
    stated = FIVE_LINES.replace("Apache-2.0", "CC-BY-NC-SA-4.0") + (
        "    outputs_trainable: yes\n    evidence: {source: me, retrieved: 2026-11-01, mark: primary}\n"
    )
    assert "say outputs_trainable: conditional, with the condition noncommercial" in refusal(own, stated)


def test_a_users_folder_adds_weights_and_routes(own) -> None:
    teacher = own(
        "name: a\nmodel: our/model\nroute: our-provider\nreviewed: {by: Ada, on: 2026-11-21}",
        **{
            "weights/our-model.yaml": """
                weights: our-model
                license: LicenseRef-ours
                models: [our/model]
                outputs_trainable: yes
                evidence: {source: our contract, retrieved: 2026-11-01, mark: primary}
            """,
            "routes/our-provider.yaml": """
                route: our-provider
                provider: Ours
                license: LicenseRef-provider
                hosts: [llm.example.org]
                base_url: https://llm.example.org/v1
                api_key_env: OUR_KEY
                outputs_trainable: yes
                evidence: {source: our other contract, retrieved: 2026-11-01, mark: primary}
            """,
        },
    )["a"]
    assert (teacher.weights.license, teacher.route_terms.license) == (
        "LicenseRef-ours",
        "LicenseRef-provider",
    )


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "weights/qwen-2024.yaml",
            "weights: qwen-2024\nlicense: MIT\nmodels: [Qwen/Qwen2.5-72B]\noutputs_trainable: yes",
            "cannot be replaced",
        ),
        (
            "routes/friendly.yaml",
            "route: friendly\nprovider: X\nlicense: MIT\nhosts: [api.openai.com]\noutputs_trainable: yes",
            "belongs to route 'openai-api' already",
        ),
        (
            "routes/friendly.yaml",
            "route: friendly\nprovider: X\nlicense: null\nhosts: [a.example.org]\noutputs_trainable: yes",
            "license is missing",
        ),
        (
            "weights/a.yaml",
            "weights: b\nlicense: MIT\nmodels: [x]\noutputs_trainable: yes",
            "call the file b.yaml",
        ),
        (
            "weights/a.yaml",
            "weights: a\nlicense: MIT\nmodels: ['x*']\noutputs_trainable: yes",
            "is a pattern",
        ),
        ("weights/a.yaml", "- weights: a\n- weights: b", "holds 2 entries"),
        ("weights/a.yaml", "", "holds no entry"),
        ("entry.yaml", "{", "Mend the YAML"),
        ("entry.yaml", "just words", "holds no entry"),
    ],
)
def test_shipped_files_cannot_be_replaced_and_broken_ones_are_named(own, file: str, text: str, said: str) -> None:
    message = refusal(own, **{file: text})
    assert file in message and said in message


def test_a_route_that_would_swallow_a_shipped_host_is_refused(own) -> None:
    text = "route: wide\nprovider: X\nlicense: MIT\nhosts: [ai.azure.com]\noutputs_trainable: yes"
    assert "belongs to route" in refusal(own, **{"routes/wide.yaml": text})


def test_two_entries_of_one_name_are_refused(own) -> None:
    assert "'my-vllm' is taken by" in refusal(own, FIVE_LINES, FIVE_LINES)


def test_a_file_that_is_no_text_is_named(own, tmp_path: Path) -> None:
    own()
    (tmp_path / "teachers" / "x.yaml").write_bytes(b"name: \xff\xfe")
    assert "x.yaml cannot be read" in refusal(own)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no teachers folder"):
        load_teachers([shipped_teachers(), tmp_path / "nowhere"])


def test_the_simulated_teacher_can_listen_elsewhere(own) -> None:
    teacher = own("name: simulated\nbase_url: http://127.0.0.1:9001/v1")["simulated"]
    assert (teacher.base_url, teacher.simulated, teacher.model) == (
        "http://127.0.0.1:9001/v1",
        True,
        "simulated-teacher",
    )
    other = own("name: other\nbase_url: http://localhost:9002/v1\nmodel: simulated-teacher\nsimulated: true")
    assert other["other"].terms_sha256 == teacher.terms_sha256


@pytest.mark.parametrize(
    "entry",
    [
        "name: simulated\nbase_url: http://10.0.0.5:9001/v1",
        "name: simulated\nbase_url: http://127.0.0.1:9001/v1\nmodel: gpt-5",
        "name: simulated\nbase_url: http://127.0.0.1:9001/v1\nsimulated: false",
        "name: a\nbase_url: http://127.0.0.1:9001/v1\nmodel: x\nlicense: MIT\nsimulated: true",
        "name: a\nbase_url: http://127.0.0.1:9001/v1\nsimulated: true\nroute: self-hosted",
    ],
)
def test_nothing_else_passes_as_the_simulated_teacher(own, entry: str) -> None:
    refusal(own, entry)


def test_terms_do_not_depend_on_where_who_or_how_fast(own) -> None:
    first = own(FIVE_LINES)["my-vllm"]
    moved = FIVE_LINES.replace("10.0.0.5", "10.9.9.9").replace("2026-11-21", "2026-11-30")
    second = own(moved + "    quota: {concurrency: 4}")["my-vllm"]
    assert (first.terms_id, first.terms_sha256) == (second.terms_id, second.terms_sha256)
    assert own(FIVE_LINES.replace("Apache-2.0", "MIT"))["my-vllm"].terms_sha256 != first.terms_sha256


def test_a_provider_is_the_route_s_or_the_entry_s_and_no_part_of_the_terms(own) -> None:
    entries = [
        FIVE_LINES,
        FIVE_LINES.replace("my-vllm", "named") + "    provider: vllm\n    quota: {charge: sum, tokens_per_day: 5000}",
        "name: ds\nmodel: deepseek-reasoner\nroute: deepseek-api",
        "name: simulated\nbase_url: http://127.0.0.1:9001/v1\nprovider: azure",
    ]
    teachers = own(*entries)
    assert teachers["my-vllm"].provider == "self-hosted"
    assert (teachers["named"].provider, teachers["ds"].provider) == ("vllm", "deepseek")
    assert teachers["simulated"].provider == "azure"
    assert teachers["named"].terms_sha256 == teachers["my-vllm"].terms_sha256
    assert (teachers["named"].quota.charge, teachers["named"].quota.tokens_per_day) == ("sum", 5000)


def test_the_hash_of_terms_is_the_one_it_was_before_providers_had_names(own) -> None:
    """Answers are found again by this hash: if it moved, every one of them would be bought again."""
    teachers = own(FIVE_LINES)
    assert teachers["my-vllm"].terms_sha256 == "ff08eab1f8031e05973583182f6bc82f399e398ec204197139f5c98d71f4a224"
    assert teachers["simulated"].terms_sha256 == "8aaa4c2bd212b00ba15b330b85f44af303e1607c3ae2ca1339d026aceb411768"


def test_an_unknown_provider_or_charge_rule_is_named(own) -> None:
    message = refusal(own, FIVE_LINES + "    provider: vlm")
    assert "provider" in message and "did you mean 'vllm'?" in message
    assert "quota.charge" in refusal(own, FIVE_LINES + "    quota: {charge: free}")


def test_an_unknown_teacher_lists_the_known_ones(own) -> None:
    teachers = own(FIVE_LINES)
    assert find_teacher(teachers, "my-vllm").name == "my-vllm"
    with pytest.raises(BadInput) as refused:
        find_teacher(teachers, "my-vlm")
    assert "unknown teacher 'my-vlm', did you mean 'my-vllm'?" in str(refused.value)
    assert "my-vllm, simulated" in str(refused.value)


def test_a_batch_api_is_said_by_the_entry_or_its_route_and_is_no_part_of_the_terms(own) -> None:
    plain, able = own(FIVE_LINES)["my-vllm"], own(FIVE_LINES + "    batch: {discount: 0.25}\n")["my-vllm"]
    assert plain.batch is None
    assert able.batch is not None and (able.batch.discount, able.batch.max_requests) == (0.25, 50_000)
    assert plain.terms_sha256 == able.terms_sha256
    routed = own("name: a\nmodel: gpt-5\nroute: openai-api\nreviewed: {by: A, on: 2026-11-21}")["a"]
    assert routed.batch is not None and routed.batch.discount == 0.5


def test_the_lowest_budget_that_any_entry_of_an_account_states_holds_for_all_of_them(own) -> None:
    entry = """
        - {{name: first, base_url: http://10.0.0.5:8000/v1, model: one, license: MIT, account: lab, {first}}}
        - {{name: second, base_url: http://10.0.0.5:8001/v1, model: two, license: MIT, account: lab, {second}}}
        - {{name: third, base_url: http://10.0.0.5:8002/v1, model: two, license: MIT}}
    """
    bare = own(entry.format(first="revision: a", second="revision: a"))
    stated = own(entry.format(first="budget: {usd: 9, tokens_per_day: 50}", second="budget: {usd: 7, requests: 3}"))
    lowest = AccountBudget(usd=7, requests=3, tokens_per_day=50)
    assert stated["first"].budget == stated["second"].budget == lowest
    assert stated["third"].budget == bare["first"].budget == AccountBudget()
    assert stated["first"].terms_sha256 == bare["first"].terms_sha256, "a budget is no term"


def test_a_budget_of_nothing_or_of_an_unknown_kind_is_refused(own) -> None:
    for budget in ("{usd: 0}", "{tokens: 0}", "{usd_per_hour: 3}"):
        assert "budget" in refusal(own, FIVE_LINES + f"    budget: {budget}\n")


def test_how_a_server_continues_is_said_by_the_entry_and_is_no_part_of_the_terms(own) -> None:
    plain = own(FIVE_LINES)["my-vllm"]
    able = own(FIVE_LINES + "    continues: continue_final_message\n")["my-vllm"]
    assert (plain.continues, able.continues) == (None, "continue_final_message")
    assert plain.terms_sha256 == able.terms_sha256


WATERMARK = """
    watermark:
      {status: declared, scheme: kgw, tokenizer: tok, hashing_key: 15485863, gamma: 0.25, seeding_scheme: selfhash,
       context_width: 4}
"""


def test_a_watermark_is_carried_with_its_key_and_is_no_part_of_the_terms(own, tmp_path: Path) -> None:
    plain, marked = own(FIVE_LINES)["my-vllm"], own(f"{FIVE_LINES.rstrip()}{WATERMARK}")["my-vllm"]
    assert plain.watermark is None
    assert (marked.watermark.hashing_key, Path(marked.watermark.tokenizer).name) == (15485863, "tok")
    assert Path(marked.watermark.tokenizer).is_absolute(), "from the folder of the entry"
    assert marked.terms_sha256 == plain.terms_sha256
    assert "15485863" not in marked.model_dump_json(), "what the warehouse keeps of an entry"


def test_a_watermark_without_its_key_is_refused(own) -> None:
    assert "hashing_key" in refusal(own, f"{FIVE_LINES.rstrip()}{WATERMARK.replace('hashing_key: 15485863, ', '')}")
