"""What lm-evaluation-harness asks: a causal language model of ours, whatever runs its blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cayley_adapters.questions.benchmarks.requests import Answered, digest
from cayley_adapters.questions.benchmarks.tasks import quiet
from cayley_adapters.questions.sampling import single_tokens

if TYPE_CHECKING:
    import torch

__all__ = ["Begin", "harness_model"]

Begin = Callable[[Sequence[int]], None]
"""Called with what tells a request from all others before it runs: how often it came before, and its tokens."""


def harness_model(
    model: Any,
    tokenizer: Any,
    begin: Begin | None = None,
    answered: Answered | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Make the harness's model object of a causal language model.

    It is the harness's own for models of transformers, so that the numbers of a plain model are those that everybody
    has. Requests run one at a time: nothing is padded, so that no number depends on the size of batches, on the order
    of requests or on what else is asked. Choices of one token that follow the same text share one pass, and generation
    keeps keys and values, so that each new token is one pass.

    Args:
        model: a causal language model, with adapters or without.
        tokenizer: its tokenizer.
        begin: called before each request runs, to draw its noise from a stream of its own; None where nothing is drawn.
        answered: what is known already, and takes up what is found.
        progress: called with (requests answered, requests) of each kind of them.

    Returns:
        An ``lm_eval.api.model.LM``.
    """
    from lm_eval.models.huggingface import HFLM

    known = answered if answered is not None else Answered()

    class HarnessModel(HFLM):  # type: ignore[misc]  # of a library without types
        """The harness's model object, see :func:`harness_model`."""

        def __init__(self) -> None:
            super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=1)
            self._repeat, self._done, self._wanted = 0, 0, 0
            self.cache_hook = self  # the harness tells it of each answer as soon as there is one

        def add_partial(self, kind: str, request: Any, answer: Any) -> None:
            """Take up an answer; the harness calls it."""
            known.add(digest(kind, request, self._repeat), answer)
            self._done += 1
            if progress:
                progress(min(self._done, self._wanted), self._wanted)

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> Any:
            return self._answers("loglikelihood", requests, super().loglikelihood)

        def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = True) -> Any:
            return self._answers("loglikelihood_rolling", requests, super().loglikelihood_rolling)

        def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> Any:
            return self._answers("generate_until", requests, super().generate_until)

        def _answers(self, kind: str, requests: list[Any], ask: Callable[..., list[Any]]) -> list[Any]:
            """Answers from what is known, and else of the model: first those of all, then further draws of some."""
            seen: Counter[str] = Counter()
            keys, rounds = [], dict[int, dict[str, Any]]()
            for request in requests:
                first = digest(kind, request.args, 0)
                repeat = seen[first]
                seen[first] += 1
                keys.append(digest(kind, request.args, repeat))
                if keys[-1] not in known:
                    rounds.setdefault(repeat, {})[keys[-1]] = request
            self._wanted = sum(map(len, rounds.values()))
            self._done = 0
            for self._repeat, asked in sorted(rounds.items()):
                ask(list(asked.values()), disable_tqdm=True)
            return [known[key] for key in keys]

        def _loglikelihood_tokens(self, requests: Any, disable_tqdm: bool = True, override_bs: Any = None) -> Any:
            return super()._loglikelihood_tokens(requests, True, override_bs)

        def _model_call(self, inps: torch.Tensor, attn_mask: Any = None, labels: Any = None) -> torch.Tensor:
            if begin:
                begin((self._repeat, *inps[0].tolist()))
            found: torch.Tensor = super()._model_call(inps, attn_mask, labels)
            return found

        def _model_generate(self, context: torch.Tensor, max_length: int, stop: list[str], **options: Any) -> Any:
            import torch

            tokens = context[0].tolist()
            if begin:
                begin((self._repeat, *tokens))
            with torch.random.fork_rng(devices=[]), torch.no_grad(), single_tokens():
                torch.manual_seed(int(digest("draws", tokens, self._repeat)[:15], 16))
                return super()._model_generate(context, max_length, stop, **options)

    with quiet():
        return HarnessModel()
