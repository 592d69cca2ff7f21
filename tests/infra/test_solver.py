"""The teacher solves from the text alone, in short regular steps, and says so when it cannot."""

import random
from collections.abc import Iterator

import pytest

from infra.simulated_teacher.book import BadBook, look_up, read_book, worked_solution
from infra.simulated_teacher.solver import solve


@pytest.mark.parametrize(
    ("question", "reasoning", "answer"),
    [
        ("What is 47 + 85 + 19?", "47 + 85 = 132. 132 + 19 = 151.", "151"),
        ("What is 5 - 12?", "5 - 12 = -7.", "-7"),
        ("What is 2 + 3 * 4?", "3 * 4 = 12. 2 + 12 = 14.", "14"),
        ("What is 7 x 3?", "7 * 3 = 21.", "21"),
        ("Calculate ( 56 + -33 ) - 84.", "56 + -33 = 23. 23 - 84 = -61.", "-61"),
        ("Question: 3 + 4 = ?\nThink first.", "3 + 4 = 7.", "7"),
        ("What comes next? 5, 9, 13, 17", "9 - 5 = 4. 17 + 4 = 21.", "21"),
        ("What comes next? 30, 23, 16", "23 - 30 = -7. 16 - 7 = 9.", "9"),
        ("What comes next? 3, 6, 12, 24", "6 / 3 = 2. 24 * 2 = 48.", "48"),
        ("3, 14, 36, 80, 168, ?", "168 * 2 = 336. 336 + 8 = 344.", "344"),
        ("5, 5, 10, 15, 25, 40, ?", "40 + 25 = 65.", "65"),
        ("1, 4, 9, 16, 25, ?", "25 - 16 = 9. 9 + 2 = 11. 25 + 11 = 36.", "36"),
        (
            "Mia has 42 pears. She buys 17 more. She gives away 8. How many pears does Mia have now?",
            "42 + 17 = 59. 59 - 8 = 51.",
            "51",
        ),
        (
            "Ben had 90 eggs. He sold 30 eggs, then found 12 eggs. How many eggs does Ben have left?",
            "90 - 30 = 60. 60 + 12 = 72.",
            "72",
        ),
        ("Mia has 42 pears. Tom gives Mia 5. How many pears does Mia have now?", "42 + 5 = 47.", "47"),
        ("Ann has 5 books. Bob has 7 books. How many books do they have in total?", "5 + 7 = 12.", "12"),
    ],
)
def test_a_question_is_solved_in_regular_steps(question: str, reasoning: str, answer: str) -> None:
    solution = solve(question)
    assert solution is not None
    assert (solution.reasoning, solution.answer) == (reasoning, answer)


@pytest.mark.parametrize(
    "question",
    [
        "Why is the sky blue?",
        "What is 3.5 + 2?",
        "What is 7 / 2?",
        "What is (3 + 4?",
        "What comes next? 3, 1, 4, 1, 5, 9",
        "Judges are 30-50 years old. How many judges are there?",
        "Emily makes $1,000,000 a year. How much does she make?",
        "Tom had 5 apples and 4 nuts. How many apples does Tom have?",
        "Tom had 5 apples. Ann eats twice as many. How many apples are left?",
        "Tom had 5 apples. He ate 2. How many did he eat?",
        "",
    ],
)
def test_what_is_not_certain_is_not_answered(question: str) -> None:
    assert solve(question) is None


def rows_of_the_gym(name: str, size: int, seed: int) -> Iterator[dict[str, str]]:
    import reasoning_gym  # seconds, which only the process that runs these tests is to take: each collects this file

    yield from reasoning_gym.create_dataset(name, size=size, seed=seed)


def test_chain_sums_are_all_solved() -> None:
    for row in rows_of_the_gym("chain_sum", size=300, seed=5):
        solution = solve(row["question"])
        assert solution is not None and solution.answer == row["answer"]


def test_every_step_of_a_random_sum_is_true() -> None:
    rng = random.Random(3)
    for _ in range(300):
        terms = [str(rng.randint(0, 999))]
        for _ in range(rng.randint(1, 5)):
            terms += [rng.choice("+-*"), str(rng.randint(0, 99))]
        solution = solve(f"What is {' '.join(terms)}?")
        assert solution is not None
        for step in solution.steps:
            left, _, right = step.rstrip(".").partition(" = ")
            assert eval(left) == int(right)
        assert int(solution.answer) == eval(" ".join(terms))


def test_a_sequence_of_reasoning_gym_is_rarely_wrong_and_mostly_solved() -> None:
    rows = list(rows_of_the_gym("number_sequence", size=25, seed=7))
    answers = [(solve(row["question"]), row["answer"]) for row in rows]
    right = sum(solution is not None and solution.answer == answer for solution, answer in answers)
    wrong = sum(solution is not None and solution.answer != answer for solution, answer in answers)
    assert right > 0.6 * len(rows)
    assert wrong <= 1


def test_a_worked_solution_loses_its_marks_and_keeps_its_answer() -> None:
    solution = worked_solution("He pays 48/2 = <<48/2=24>>24 dollars.\nSo 48+24 = <<48+24=72>>72.\n#### 72")
    assert solution.reasoning == "He pays 48/2 = 24 dollars.\nSo 48+24 = 72."
    assert solution.answer == "72"


def test_the_book_is_found_inside_a_template(tmp_path) -> None:
    path = tmp_path / "book.jsonl"
    path.write_text('{"question": "Who  is\\nfirst?", "answer": "Ann.\\n#### 1"}\n\n')
    book = read_book(path)
    for text in ("Who is first?", "who is FIRST?", "Think.\n\nQuestion: Who is first?\nAnswer:"):
        found = look_up(book, text)
        assert found is not None and found.answer == "1"
    assert look_up(book, "Who is last?") is None


@pytest.mark.parametrize("line", ["{", '{"question": "a"}', '{"question": "a", "answer": "no mark"}', "[]"])
def test_a_malformed_book_names_file_and_line(tmp_path, line: str) -> None:
    path = tmp_path / "book.jsonl"
    path.write_text(f'{{"question": "a", "answer": "b #### 1"}}\n{line}\n')
    with pytest.raises(BadBook, match=r"book\.jsonl line 2"):
        read_book(path)
