"""Answers that cost money: what the stages share that ask a paid API, `prompts` for texts and `images` for pictures.

    answers    what an answer means: use it, ask again, give up, stop the run; and who was billed
    ledger     what a study has asked for and spent, over runs and stages, with one cap
    prices     dollars from the tokens that an answer reports
    wire       one request through the openai client, and the key that stays out of all that is kept

A request is written to the ledger before it is sent; its answer is kept before it is used; the ledger learns what
became of it in between. What may have been billed is not sent again unless the user says so (`repeat_lost`).
"""
