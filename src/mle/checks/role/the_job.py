"""Checks of the exercise role/the_job: price policies, find thresholds, sort tickets by what they hand over."""

import numpy as np

from coursework import Exercise, Integer

exercise = Exercise(
    "role/the_job",
    title="Price the desk's policies, and sort its tickets",
    minutes=45,
    parameters=[
        # The dearest false alarm is well below the cheapest miss, so that swapping the two is never nearly right.
        Integer("seed", 0, 2**31 - 1),
        Integer("n", 400, 4000),
        Integer("cost_false_alarm", 15, 60),
        Integer("cost_miss", 150, 600),
    ],
)

# ------------------------------------------------------------------------------------------------ the data

#: Arrival delay in minutes below which 0, 2.5, 5 ... 100 % of the flights out of New York in 2013 lie that arrived.
DELAY_QUANTILES = [
    -86, -37, -32, -29, -26, -24, -22, -21, -19, -18, -17, -16, -14, -13, -12, -11, -10, -9, -7, -6, -5,
    -3, -2, -1, 1, 3, 4, 6, 9, 11, 14, 17, 21, 26, 33, 41, 52, 67, 91, 133, 1272,
]  # fmt: skip
NEVER_ARRIVED = 0.028  # share of the year's flights that were cancelled or diverted


def evening(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Arrival delays of n flights in minutes, nan where a flight never arrived, and whether each needed a seat.

    Both of shape (n,). Drawn from the delays of 2013 by their quantiles, so that the exercise starts at once and
    runs in a browser.
    """
    rng = np.random.default_rng(seed)
    levels = np.linspace(0, 1, len(DELAY_QUANTILES))
    delays = np.round(np.interp(rng.random(n), levels, DELAY_QUANTILES))
    delays[rng.choice(n, size=round(NEVER_ARRIVED * n), replace=False)] = np.nan
    return delays, _needed(delays)


def _needed(arr_delay):
    return (arr_delay > 30) | np.isnan(arr_delay)


DATA, FINDING, SOFTWARE = "data engineer", "data scientist", "ML engineer"

#: id | title | done when | who hands that over | whom the tool in the title suggests
_TICKETS = """
T01 | TensorFlow reads stale rows | a table of one row a flight is rebuilt each night, for any team to query | DE | ML
T02 | Hadoop: are afternoons worse? | a model's estimate, with interval, lies before the manager, who decides | DS | DE
T03 | NoSQL store times out at 18:00 | the scoring job falls back to the rule by itself and holds the seats | ML | DE
T04 | Statistical model of delays starves | arrivals reach the shared store as a feed, each of them once | DE | DS
T05 | AWS trial: would a model pay? | a model and a rule are compared, one is recommended, nothing deployed | DS | ML
T06 | Statistical drift, twice this month | the release job refuses, unattended, a model dearer than the rule | ML | DS
T07 | scikit-learn wants the weather too | the warehouse has a row of weather for each airport and hour | DE | ML
T08 | NoSQL invoices: what is a miss? | finance has an estimate from a model of old invoices, to set the price | DS | DE
T09 | Hadoop export to the travellers' app | a service gives the app a flight's probability, nobody watching | ML | DE
T10 | Statistical tests lack cancellations | the flights table holds those that never arrived, marked as such | DE | DS
T11 | TensorFlow or the timetable? | the board knows what a model can explain, and picks what to fund | DS | ML
T12 | Insight: seats are held too late | the model's alarms hold seats in the booking system, nobody between | ML | DS
"""
_ROLES = {"DE": DATA, "DS": FINDING, "ML": SOFTWARE}
_ROWS = [line.split(" | ") for line in _TICKETS.strip().splitlines()]
_HANDS_OVER = {id: _ROLES[role] for id, _, _, role, _ in _ROWS}
_BY_TOOL = {id: _ROLES[role] for id, *_, role in _ROWS}


def backlog() -> list[dict[str, str]]:
    """The desk's twelve tickets: id, title, and the condition under which each is done."""
    return [{"id": id, "title": title, "done when": done} for id, title, done, *_ in _ROWS]


def sprint(seed: int) -> list[str]:
    """The ids of the six tickets that are drawn from the backlog, in the order in which they were drawn."""
    rng = np.random.default_rng(seed)
    drawn = []
    for role in (DATA, FINDING, SOFTWARE):
        drawn += rng.choice([id for id in _HANDS_OVER if _HANDS_OVER[id] == role], size=2, replace=False).tolist()
    return rng.permutation(drawn).tolist()


def case(seed: int) -> dict[str, float]:
    """What another desk knows when it asks whether to ship a model; dollars, flights."""
    rng = np.random.default_rng(seed)
    saving = float(np.round(rng.uniform(0.3, 1.6), 2))
    return {
        "saving a flight": saving,
        "low": float(np.round(saving - rng.uniform(0.5, 1.2), 2)),
        "high": float(np.round(saving + rng.uniform(0.5, 1.2), 2)),
        "flights a month": int(rng.integers(20, 300)) * 100,
        "upkeep a month": int(rng.integers(8, 21)) * 1000,
    }


# ------------------------------------------------------------------------------------- 1. the trivial policies

trivial = exercise.question(
    "trivial",
    kind="value",
    points=1,
    skills=["company goals", "statistics"],
    objectives=[2],
    call="trivial",
    asks="a mapping with the keys 'never' and 'always', each a number of dollars a flight",
    hints=(
        "Which of the two errors can each policy make at all?",
        "Never holding makes only misses, always holding only false alarms: you need the share of each sort.",
        "The mean of a boolean array is the share of True. Multiply each share by the price of its own error.",
    ),
)


@trivial.property("never / cost_miss and always / cost_false_alarm add up to 1: every flight is one of two sorts")
def _(value, cost_false_alarm, cost_miss):
    return np.isclose(value["never"] / cost_miss + value["always"] / cost_false_alarm, 1)


@trivial.mistake("The two prices are swapped: which error does a desk make that never holds a seat?")
def swapped(seed, n, cost_false_alarm, cost_miss):
    share = evening(seed, n)[1].mean()
    return {"never": cost_false_alarm * share, "always": cost_miss * (1 - share)}


@trivial.mistake(
    "Always holding is charged for every flight here. A seat that was needed is a right decision, and costs 0."
)
def every_seat_charged(seed, n, cost_false_alarm, cost_miss):
    return {"never": cost_miss * evening(seed, n)[1].mean(), "always": float(cost_false_alarm)}


@trivial.mistake("These are the bills of the whole evening; the question asks for dollars a flight.")
def totals(seed, n, cost_false_alarm, cost_miss):
    _, needed = evening(seed, n)
    return {"never": float(cost_miss * needed.sum()), "always": float(cost_false_alarm * (~needed).sum())}


@trivial.mistake(
    "These are shares of right decisions, which is accuracy. What does each policy pay for its wrong ones?"
)
def accuracy(seed, n):
    share = evening(seed, n)[1].mean()
    return {"never": 1 - share, "always": share}


@trivial.mistake(
    "Here the flights that never arrived count as on time. Nobody catches a connection from a cancelled flight."
)
def cancelled_on_time(seed, n, cost_false_alarm, cost_miss):
    share = (evening(seed, n)[0] > 30).mean()
    return {"never": cost_miss * share, "always": cost_false_alarm * (1 - share)}


# ------------------------------------------------------------------------------------------ 2. expected_cost

expected_cost = exercise.question(
    "expected_cost",
    kind="function",
    points=2,
    skills=["company goals", "Python"],
    objectives=[2],
    call="expected_cost(arr_delay, alarm, cost_false_alarm, cost_miss)",
    asks="one number, dollars a flight",
    hints=(
        "First say, for each flight, whether a seat was needed. Mind the flights that never arrived.",
        "A false alarm is `alarm & ~needed`, a miss `~alarm & needed`; nan compares as False with everything.",
        "`np.isnan(arr_delay)` finds the flights that never arrived: they need a seat as the late ones do. Then add "
        "the two priced shares.",
    ),
    out_of_bounds=("mle.scratch", "sklearn"),
)


@expected_cost.probes
def _(rng, n, cost_false_alarm, cost_miss):
    prices = (cost_false_alarm, cost_miss)
    # At the limit, over it, early, never arrived; held and not.
    yield np.array([-5.0, 30, 31, np.nan, 200, np.nan, 30]), np.array([1, 1, 0, 0, 1, 1, 0], dtype=bool), *prices
    delays, needed = evening(int(rng.integers(2**31)), min(n, 600))
    yield delays, rng.random(len(delays)) < 0.4, *prices
    yield delays, needed, *prices
    yield np.array([np.nan]), np.array([False]), *prices


@expected_cost.property("a policy that is right about every flight costs nothing")
def _(arr_delay, alarm, cost_false_alarm, cost_miss, cost):
    return cost == 0 or not np.array_equal(alarm, _needed(arr_delay))


@expected_cost.property("the price a flight lies between 0 and the dearer of the two prices")
def _(arr_delay, alarm, cost_false_alarm, cost_miss, cost):
    return 0 <= cost <= max(cost_false_alarm, cost_miss)


def _bill(needed, alarm, cost_false_alarm, cost_miss):
    return float(cost_false_alarm * np.sum(alarm & ~needed) + cost_miss * np.sum(~alarm & needed))


@expected_cost.mistake("The two prices are swapped: an alarm that was not needed costs cost_false_alarm.")
def prices_swapped(arr_delay, alarm, cost_false_alarm, cost_miss):
    return _bill(_needed(arr_delay), alarm, cost_miss, cost_false_alarm) / len(alarm)


@expected_cost.mistake(
    "Flights that never arrived count as on time here: nan > 30 is False. Their travellers need a seat too.", credit=0.5
)
def nan_is_on_time(arr_delay, alarm, cost_false_alarm, cost_miss):
    return _bill(arr_delay > 30, alarm, cost_false_alarm, cost_miss) / len(alarm)


@expected_cost.mistake(
    "Flights that never arrived are left out here. Their travellers are the ones who need a seat most."
)
def nan_left_out(arr_delay, alarm, cost_false_alarm, cost_miss):
    known = ~np.isnan(arr_delay)
    bill = _bill(arr_delay[known] > 30, alarm[known], cost_false_alarm, cost_miss)
    return bill / max(known.sum(), 1)


@expected_cost.mistake(
    "A flight that is exactly 30 minutes late needs no seat: the desk says *more than* 30.", credit=0.5
)
def thirty_is_late(arr_delay, alarm, cost_false_alarm, cost_miss):
    return _bill(~(arr_delay < 30), alarm, cost_false_alarm, cost_miss) / len(alarm)


@expected_cost.mistake("This is the bill of the whole evening; the question asks for dollars a flight.", credit=0.5)
def total(arr_delay, alarm, cost_false_alarm, cost_miss):
    return _bill(_needed(arr_delay), alarm, cost_false_alarm, cost_miss)


@expected_cost.mistake("This is the price of an error, not of a flight: right decisions count among the flights too.")
def per_error(arr_delay, alarm, cost_false_alarm, cost_miss):
    needed = _needed(arr_delay)
    return _bill(needed, alarm, cost_false_alarm, cost_miss) / max(np.sum(alarm != needed), 1)


@expected_cost.mistake(
    "Every seat held is charged here. One that was needed costs 0: prices count from the right decision.", credit=0.5
)
def every_held_seat_charged(arr_delay, alarm, cost_false_alarm, cost_miss):
    needed = _needed(arr_delay)
    return (cost_false_alarm * np.sum(alarm) + cost_miss * np.sum(needed & ~alarm)) / len(alarm)


@expected_cost.mistake("This is the share of wrong decisions. It makes the two errors equally dear, and they are not.")
def share_of_errors(arr_delay, alarm, cost_false_alarm, cost_miss):
    return float(np.mean(alarm != _needed(arr_delay)))


# ------------------------------------------------------------------------------------------------- 3. policy

policy = exercise.question(
    "policy",
    kind="function",
    points=3,
    skills=["company goals", "probability"],
    objectives=[3],
    call="policy(probability, cost_false_alarm, cost_miss)",
    asks="an array of True and False, one a flight",
    hints=(
        "Take one flight. What does each of your two choices cost on average, if its probability is right?",
        "Holding costs (1 - p) times one price, not holding p times the other. Which p makes the two equal?",
        "Hold where (1 - p) * cost_false_alarm <= p * cost_miss, or solve that for p and compare once.",
    ),
    out_of_bounds=("mle.scratch", "sklearn"),
)


@policy.probes
def _(rng, cost_false_alarm, cost_miss):
    prices = (cost_false_alarm, cost_miss)
    equal = cost_false_alarm / (cost_false_alarm + cost_miss)
    odds = cost_false_alarm / cost_miss
    # Off the round numbers, where `>` and `>=` would differ.
    grid = np.concatenate([[0, 1], (np.arange(400) + 0.37) / 400, [(equal + odds) / 2]])
    for probability in (grid, rng.beta(1.5, 6, size=300), rng.beta(6, 3, size=300), np.array([0.999])):
        # Where both choices cost the same, either is right; such flights are left out.
        yield probability[np.abs(probability - equal) > 1e-6], *prices


def _promised(probability, alarm, cost_false_alarm, cost_miss):
    return np.where(alarm, (1 - probability) * cost_false_alarm, probability * cost_miss)


@policy.property("if the probabilities are right, the policy is no dearer than never holding and always holding")
def _(probability, cost_false_alarm, cost_miss, alarm):
    prices = (cost_false_alarm, cost_miss)
    never, always = (_promised(probability, choice, *prices).mean() for choice in (False, True))
    return _promised(probability, alarm, *prices).mean() <= min(never, always) + 1e-9


@policy.property("no flight has a choice that is cheaper than the one made for it")
def _(probability, cost_false_alarm, cost_miss, alarm):
    prices = (cost_false_alarm, cost_miss)
    return np.all(_promised(probability, alarm, *prices) <= _promised(probability, ~alarm, *prices) + 1e-9)


@policy.mistake(
    "This cuts at one half, as `predict` does. That is right only for someone to whom both errors cost the same."
)
def half(probability, cost_false_alarm, cost_miss):
    return probability >= 0.5


@policy.mistake(
    "The two prices are swapped in the threshold: the dearer a miss, the lower the suspicion on which you act."
)
def threshold_swapped(probability, cost_false_alarm, cost_miss):
    return probability >= cost_miss / (cost_false_alarm + cost_miss)


@policy.mistake(
    "One price over the other is a threshold for the odds p / (1 - p). For p itself the denominator differs."
)
def odds_for_probability(probability, cost_false_alarm, cost_miss):
    return probability >= cost_false_alarm / cost_miss


@policy.mistake("This holds a seat where the flight is likely to be on time: look at the direction of the comparison.")
def upside_down(probability, cost_false_alarm, cost_miss):
    return probability < cost_false_alarm / (cost_false_alarm + cost_miss)


@policy.mistake(
    "The threshold here follows the flights' mean probability. What a seat costs does not depend on other flights."
)
def mean_as_threshold(probability, cost_false_alarm, cost_miss):
    return probability >= probability.mean()


@policy.mistake("This takes one decision for the whole evening. Each flight may have its own.")
def one_for_all(probability, cost_false_alarm, cost_miss):
    never, always = (probability * cost_miss).mean(), ((1 - probability) * cost_false_alarm).mean()
    return np.full(probability.shape, bool(always <= never))


# -------------------------------------------------------------------------------------------------- 4. board

board = exercise.question(
    "board",
    kind="value",
    points=2,
    skills=["data scientist", "data engineer", "ML engineer", "communication"],
    objectives=[1],
    call="board",
    asks="a mapping from each ticket id in `sprint` to 'data engineer', 'data scientist' or 'ML engineer'",
    hints=(
        "Cover the title with your hand, and read only *done when*.",
        "Who uses the result next: someone who queries it, a person who decides, or a program that acts?",
        "Data that others build on, a finding for a person, software in which a model decides: in this order the "
        "roles of the lesson's first table. In the backlog each role has four tickets.",
    ),
)


@board.property("every value is one of 'data engineer', 'data scientist' and 'ML engineer', spelt so")
def _(value):
    return set(value.values()) <= {DATA, FINDING, SOFTWARE}


def _goes_to(value, seed, role):
    return all(value[id] == role for id in sprint(seed) if _HANDS_OVER[id] == role)


@board.property("what is handed over as data, for others to query, is the data engineer's")
def _(value, seed):
    return _goes_to(value, seed, DATA)


@board.property("what is handed over as a finding, for a person to decide on, is the data scientist's")
def _(value, seed):
    return _goes_to(value, seed, FINDING)


@board.property("what is handed over as software that decides by itself is the ML engineer's")
def _(value, seed):
    return _goes_to(value, seed, SOFTWARE)


@board.mistake(
    "This sorts by the tool in the title. Tools are how the work is done; *done when* says what is handed over."
)
def sorted_by_tool(seed):
    return {id: _BY_TOOL[id] for id in sprint(seed)}


@board.mistake(
    "Wherever a model occurs, this says ML engineer. A model fitted to answer a person's question is no product."
)
def model_means_ml(seed):
    return {id: SOFTWARE if _HANDS_OVER[id] == FINDING else _HANDS_OVER[id] for id in sprint(seed)}


@board.mistake("One role takes the whole sprint here. A title on a course is no reason to do three people's work.")
def all_mine(seed):
    return dict.fromkeys(sprint(seed), SOFTWARE)


@board.mistake(
    "Data scientist and ML engineer are exchanged: one hands over something to read, the other something that runs."
)
def exchanged(seed):
    other = {FINDING: SOFTWARE, SOFTWARE: FINDING, DATA: DATA}
    return {id: other[_HANDS_OVER[id]] for id in sprint(seed)}


@board.mistake(
    "All that runs by itself goes to the data engineer here. Does it hand over data, or act on a model's word?"
)
def what_runs_is_data(seed):
    return {id: DATA if _HANDS_OVER[id] == SOFTWARE else _HANDS_OVER[id] for id in sprint(seed)}


# ---------------------------------------------------------------------------------------------------- 5. cut

cut = exercise.question(
    "cut",
    kind="function",
    points=4,
    skills=["problem solving", "basic algorithms"],
    objectives=[3],
    call="cut(needed, score, cost_false_alarm, cost_miss)",
    asks="one number, the threshold; what is shown as yours is the seats that it holds",
    compare=False,  # several thresholds may be equally cheap
    hints=(
        "The score is no probability, so no formula applies. But you know what each flight needed. What can you count?",
        "Only thresholds that change a decision matter: the scores themselves, and one above them all.",
        "For each candidate, price `score >= candidate`; keep the cheapest. One candidate must hold no seat.",
    ),
    out_of_bounds=("mle.scratch", "sklearn"),
)


@cut.probes
def _(rng, cost_false_alarm, cost_miss):
    prices = (cost_false_alarm, cost_miss)
    p = rng.beta(1.2, 5, size=240)
    needed = rng.random(240) < p
    yield needed, p**0.3, *prices  # promises too much
    yield needed, 2 * np.log(p / (1 - p)) - 1, *prices  # not between 0 and 1
    p = rng.beta(0.7, 0.7, size=240)
    yield rng.random(240) < p, p / 10, *prices  # promises too little
    grade = rng.integers(1, 6, size=200)  # five grades: many ties
    yield rng.random(200) < np.array([0.01, 0.08, 0.25, 0.6, 0.9])[grade - 1], grade.astype(float), *prices
    dear = int(prices[1] / prices[0]) + 2  # of equal scores one needs a seat, and too many do not
    tied = np.array([0.9] + [0.5] * (dear + 1) + [0.1] * 3)
    yield np.arange(len(tied)) < 2, tied, *prices
    yield np.zeros(20, dtype=bool), rng.random(20), *prices  # a quiet evening
    yield np.ones(20, dtype=bool), rng.random(20), *prices  # a storm


@cut.observe
def _(answer, needed, score, cost_false_alarm, cost_miss):
    threshold = answer(needed.copy(), score.copy(), cost_false_alarm, cost_miss)
    if np.size(threshold) != 1 or not np.issubdtype(np.asarray(threshold).dtype, np.number):
        raise TypeError(f"the threshold must be one number, and is {type(threshold).__name__}")
    return score >= float(np.asarray(threshold).item())


def _candidates(score):
    return np.append(np.unique(score), np.inf)


def _cheapest(needed, alarms, cost_false_alarm, cost_miss, candidates):
    """The candidate whose row of `alarms`, shape (candidates, flights), has the least bill; the first if several."""
    bills = cost_false_alarm * (alarms & ~needed).sum(axis=1) + cost_miss * (~alarms & needed).sum(axis=1)
    return candidates[int(np.argmin(bills))]


def _tuned(needed, score, cost_false_alarm, cost_miss, candidates):
    return _cheapest(needed, score >= candidates[:, None], cost_false_alarm, cost_miss, candidates)


@cut.property("on these flights the threshold is no dearer than never holding and always holding")
def _(needed, score, cost_false_alarm, cost_miss, alarm):
    prices = (cost_false_alarm, cost_miss)
    trivial_bills = _bill(needed, needed & False, *prices), _bill(needed, needed | True, *prices)
    return _bill(needed, alarm, *prices) <= min(trivial_bills) + 1e-9


@cut.property("on these flights no other threshold is cheaper")
def _(needed, score, cost_false_alarm, cost_miss, alarm):
    prices = (cost_false_alarm, cost_miss)
    best = _tuned(needed, score, *prices, _candidates(score))
    return _bill(needed, alarm, *prices) <= _bill(needed, score >= best, *prices) + 1e-9


@cut.mistake("This is the threshold for calibrated probabilities. These are scores: some are not even between 0 and 1.")
def trusts_the_score(needed, score, cost_false_alarm, cost_miss):
    return cost_false_alarm / (cost_false_alarm + cost_miss)


@cut.mistake("One half means nothing on a scale that you do not know.")
def one_half(needed, score, cost_false_alarm, cost_miss):
    return 0.5


@cut.mistake("This threshold makes the fewest errors. The desk pays in dollars, and its two errors differ in price.")
def most_accurate(needed, score, cost_false_alarm, cost_miss):
    return _tuned(needed, score, 1, 1, _candidates(score))


@cut.mistake("The two prices are swapped in the bill: check which of them a miss costs.")
def bill_swapped(needed, score, cost_false_alarm, cost_miss):
    return _tuned(needed, score, cost_miss, cost_false_alarm, _candidates(score))


@cut.mistake(
    "Every candidate here holds at least one seat. On some evenings the cheapest policy holds none.", credit=0.5
)
def never_forgotten(needed, score, cost_false_alarm, cost_miss):
    return _tuned(needed, score, cost_false_alarm, cost_miss, _candidates(score)[:-1])


@cut.mistake(
    "The search holds seats *above* the threshold, the desk *from* it on: with equal scores the two differ.", credit=0.5
)
def above_not_from(needed, score, cost_false_alarm, cost_miss):
    candidates = np.append(-np.inf, np.unique(score))
    return _cheapest(needed, score > candidates[:, None], cost_false_alarm, cost_miss, candidates)


@cut.mistake(
    "Equal scores are taken apart: the running bill is read between two flights with the same score, and no threshold "
    "can hold a seat on one of them alone.",
    credit=0.5,
)
def ties_taken_apart(needed, score, cost_false_alarm, cost_miss):
    order = np.lexsort((~needed, -score))
    bills = np.append(0, np.cumsum(np.where(needed[order], -cost_miss, cost_false_alarm)))
    return np.append(np.inf, score[order])[int(np.argmin(bills))]


# --------------------------------------------------------------------------------------------------- 6. memo

memo = exercise.question(
    "memo",
    kind="prose",
    points=3,
    skills=["communication", "company goals"],
    objectives=[4],
    call="memo",
    asks="text of at least 80 words",
    min_words=80,
    hints=(
        "Who reads this, and what do they have to decide by tonight?",
        "Work out what the model saves a month, and from how many flights a month it pays for its keep.",
        "Recommendation first, then the number that carries it, then what would change your mind and how to find out.",
    ),
    rubric=[
        ("The recommendation comes first, names what to ship, and rests on saving against upkeep, computed right", 1),
        ("Uncertainty is stated in dollars and used: what if the saving is at the low end of its range?", 1),
        ("It names an assumption that would reverse the recommendation, and how and when to check it", 1),
    ],
)
