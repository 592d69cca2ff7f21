"""Evaluation packs in a recipe."""

from pathlib import Path

from flows.recipe import load_recipe


def test_evaluation_packs_are_taken_from_the_recipes_folder(tmp_path: Path) -> None:
    path = tmp_path / "recipes" / "one.yaml"
    path.parent.mkdir()
    path.write_text(
        "dataset: sums\nprompts: {source: prompts.jsonl, license: MIT}\nteachers: [mine]\n"
        "judge: {eval_packs: [../evals/test.jsonl, /elsewhere/other.jsonl]}\n"
    )
    recipe = load_recipe(path)
    assert recipe.judge.eval_packs == (path.parent / "../evals/test.jsonl", Path("/elsewhere/other.jsonl"))
