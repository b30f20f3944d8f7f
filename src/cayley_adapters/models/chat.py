"""A conversation with an adapted model, token by token, and what it takes of a processor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from cayley_adapters.core.messages import say
from cayley_adapters.models.generation import next_tokens

__all__ = ["Chat", "Usage", "read_texts"]


@dataclass
class Usage:
    """What blocks have taken so far.

    Attributes:
        circuits: Packed circuits, that is, parameter sets.
        executions: Runs of a circuit over all shots.
        seconds: Of the processor: estimated.
    """

    circuits: int = 0
    executions: int = 0
    seconds: float = 0.0

    def __sub__(self, earlier: Usage) -> Usage:
        return Usage(*(getattr(self, name) - getattr(earlier, name) for name in self.__dataclass_fields__))

    def copy(self) -> Usage:
        """Return the present numbers."""
        return Usage(self.circuits, self.executions, self.seconds)


class Chat:
    """Turns of a conversation; what the model has read stays in its key-value cache, so each new token is one pass.

    Args:
        model: A causal language model of transformers.
        tokenizer: Its tokenizer; without a chat template turns are joined as plain text.
        new_tokens: Tokens of an answer, fewer where the model ends it.
        temperature: 0 takes the most probable token each time.
        seed: Of the answers' draws.
    """

    def __init__(self, model: Any, tokenizer: Any, new_tokens: int, temperature: float = 0.0, seed: int = 0) -> None:
        from transformers import DynamicCache

        self._model, self._tokenizer = model, tokenizer
        self._new_tokens, self._temperature, self._seed = new_tokens, temperature, seed
        self._cache, self._seen = DynamicCache(), list[int]()
        self._turns: list[dict[str, str]] = []

    def say(self, text: str, show: Callable[[str], None]) -> str:
        """Put a text to the model and return its answer; ``show`` is given each piece as soon as it is there."""
        from transformers import TextStreamer

        class Streamer(TextStreamer):
            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
                show(text)

        self._turns.append({"role": "user", "content": text})
        ids = self._render()
        # What was read before is in the cache, up to where the new text differs; the last token must be read anew.
        common = next((i for i, (a, b) in enumerate(zip(self._seen, ids, strict=False)) if a != b), len(self._seen))
        if surplus := self._cache.get_seq_length() - min(common, len(ids) - 1):
            self._cache.crop(-surplus)
        found = next_tokens(
            self._model,
            ids,
            self._new_tokens,
            self._temperature,
            self._seed + len(self._turns),
            past_key_values=self._cache,
            streamer=Streamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True),
            pad_token_id=self._tokenizer.eos_token_id,
        )
        self._seen = found.tolist()[: self._cache.get_seq_length()]
        answer: str = self._tokenizer.decode(found[len(ids) :], skip_special_tokens=True)
        self._turns.append({"role": "assistant", "content": answer})
        return answer

    def _render(self) -> list[int]:
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(self._turns, add_generation_prompt=True, tokenize=False)
        else:
            text = "\n".join(turn["content"] for turn in self._turns) + "\n"
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids


def read_texts(source: TextIO) -> Iterator[str]:
    """Yield a user's texts, one a line; an empty line ends a terminal's and is passed over in a file or a pipe."""
    terminal = source.isatty()
    if terminal:
        say("Type a line and press Enter; an empty line or Ctrl-D ends.")
    while True:
        if terminal:
            print("> ", end="", file=sys.stderr, flush=True)
        line = source.readline()
        if text := line.strip():
            yield text
        elif terminal or not line:
            return
