"""What users of PEFT and transformers take for granted: loading by either, heads of tasks, cards, refusals in words."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard
from peft import (
    AutoPeftModelForCausalLM,
    LoraConfig,
    PeftModel,
    get_layer_status,
    get_model_status,
    get_peft_model,
    inject_adapter_in_model,
)
from peft.utils.hotswap import hotswap_adapter
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)

from cayley_adapters.adapters.cayley.base_identity import base_digest
from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.loading import load_adapter
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model
from cayley_adapters.models.compression.sequential import compress


@pytest.fixture
def ids(tokens):
    return torch.as_tensor(tokens[:2], dtype=torch.long)


@pytest.fixture
def saved(tiny_folder, tmp_path, ids):
    """A folder with an adapter of random blocks, and what the model gives with it."""
    torch.manual_seed(0)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_folder),
        CayleyConfig(target_modules=["v_proj", "o_proj"], init_weights=False, task_type="CAUSAL_LM"),
        revision="main",
    ).eval()
    model.save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        return tmp_path / "adapter", model(input_ids=ids).logits


@torch.no_grad()
def test_transformers_loads_deletes_and_saves_it(saved, tiny_folder, tmp_path, ids):
    folder, expected = saved
    base = AutoModelForCausalLM.from_pretrained(tiny_folder)
    plain = base(ids).logits
    base.load_adapter(str(folder))
    assert torch.allclose(base(ids).logits, expected, atol=1e-6)
    base.save_pretrained(tmp_path / "again")
    base.disable_adapters()
    assert torch.equal(base(ids).logits, plain)
    base.enable_adapters()
    base.load_adapter(str(folder), "second")
    base.set_adapter("second")
    base.delete_adapter("default")
    assert torch.allclose(base(ids).logits, expected, atol=1e-6)
    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), tmp_path / "again")
    assert torch.allclose(again(ids).logits, expected, atol=1e-6)


@torch.no_grad()
def test_the_folder_alone_names_its_base(saved, tiny_folder, ids):
    folder, expected = saved
    for model in (AutoPeftModelForCausalLM.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)):
        assert torch.allclose(model.eval()(input_ids=ids).logits, expected, atol=1e-6)
    written = json.loads((folder / "adapter_config.json").read_text())
    assert written["base_model_name_or_path"] == str(tiny_folder)
    assert (written["task_type"], written["revision"], written["peft_type"]) == ("CAUSAL_LM", "main", "CAYLEY")
    assert written["requires"] == "import cayley_adapters"
    assert written["target_modules"] == ["o_proj", "v_proj"]


def test_status_and_what_peft_has_for_other_methods_only(saved, tiny_folder):
    folder, _ = saved
    model = PeftModel.from_pretrained(load_model(tiny_folder), folder)
    assert get_model_status(model).peft_types == {"default": "CAYLEY"}
    assert [layer.available_adapters for layer in get_layer_status(model)] == [["default"]] * 4
    with pytest.raises(ValueError, match="CAYLEY"):
        hotswap_adapter(model, str(folder), "default")
    with pytest.raises(ValueError, match="'CAYLEY' is not compatible with the `PeftMixedModel`"):
        get_peft_model(load_model(tiny_folder), CayleyConfig(), mixed=True)
    with pytest.raises(ValueError, match="Cannot combine adapters with different peft types"):
        model.add_adapter("lora", LoraConfig(target_modules=["v_proj"]))


@pytest.mark.parametrize(
    ("task", "kind", "head"),
    [
        ("SEQ_CLS", BertForSequenceClassification, "classifier"),
        ("TOKEN_CLS", BertForTokenClassification, "classifier"),
        ("QUESTION_ANS", BertForQuestionAnswering, "qa_outputs"),
    ],
)
def test_the_head_of_a_task_is_trained_saved_and_asked_for(task, kind, head, tmp_path):
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    base = kind(BertConfig(vocab_size=32, **sizes))
    state = {name: value.clone() for name, value in base.state_dict().items()}
    model = get_peft_model(base, CayleyConfig(task_type=task))
    trained = [name for name, value in model.named_parameters() if value.requires_grad]
    assert any(f"{head}.modules_to_save.default.weight" in name for name in trained)
    assert all("cayley_theta" in name or head in name for name in trained)
    optimizer = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], lr=1.0)
    x = torch.arange(8).view(2, 4)
    out = model.train()(input_ids=x)
    (out.logits if hasattr(out, "logits") else out.start_logits).square().sum().backward()
    optimizer.step()
    model.eval().save_pretrained(tmp_path)
    fresh = kind(base.config)  # its own head is random, as a user's would be
    fresh.load_state_dict({name: value for name, value in state.items() if head not in name}, strict=False)
    with pytest.raises(CayleyError, match=f"modules_to_save=.*{head}.* brings modules .*whole_modules=True"):
        load_adapter(fresh, tmp_path)
    loaded = load_adapter(fresh, tmp_path, whole_modules=True)
    ours, theirs = (net(input_ids=x) for net in (model, loaded))
    for name in ours:
        assert torch.allclose(ours[name], theirs[name], atol=1e-6)


def test_an_adapter_of_another_model_of_the_same_shape_is_refused_or_forced(tiny_folder, tokens, tmp_path):
    """Compressed alike, from other weights: every tensor fits."""
    bases = []
    for nudge in (0.0, 0.3):
        base = load_model(tiny_folder)
        with torch.no_grad():
            base.model.layers[1].mlp.down_proj.weight.mul_(1 + nudge)
        compress(base, 0.3, tokens=tokens)
        bases.append(base)
    one, other = map(base_digest, bases)
    assert one != other
    model = get_peft_model(bases[0], CayleyConfig(target_modules=["v_proj"], init_weights=False))
    assert model.peft_config["default"].base_weights == one == base_digest(model)
    model.save_pretrained(tmp_path)
    plain = model.unload()
    assert base_digest(plain.bfloat16()) == one
    assert base_digest(plain.half()).startswith("float16:")
    load_adapter(bases[0].float(), tmp_path)
    with pytest.raises(CayleyError, match=f"whose weights have the digest {one}, and this one's is {other}.*any_base"):
        load_adapter(bases[1], tmp_path)
    assert not adapted_layers(bases[1])
    with pytest.warns(UserWarning, match="trained on a base model with other weights"):
        PeftModel.from_pretrained(bases[1], tmp_path).unload()
    assert load_adapter(bases[1], tmp_path, any_base=True).peft_config["default"].base_weights == other


def test_the_card_is_pefts_with_what_is_known_filled_in(saved, tiny_folder):
    folder, _ = saved
    card = ModelCard.load(folder / "README.md")
    assert (card.data.library_name, card.data.base_model) == ("peft", str(tiny_folder))
    assert card.data.pipeline_tag == "text-generation"
    assert "cayley-adapters" in card.data.tags
    for text in ("import cayley_adapters", "set_executor(model, NoisyExecutor", "o_proj, v_proj", "## Licence"):
        assert text in card.text
    assert base_digest(load_model(tiny_folder)) in card.text
    assert "More Information Needed" not in card.text
    card.text = "Mine."
    card.save(folder / "README.md")
    PeftModel.from_pretrained(load_model(tiny_folder), folder).save_pretrained(folder)
    assert ModelCard.load(folder / "README.md").text.startswith("Mine.")


def test_pushing_gets_as_far_as_the_network(saved, tiny_folder, monkeypatch):
    folder, _ = saved
    sent = {}

    class Hub:
        def create_repo(self, repo_id, **_):
            return SimpleNamespace(repo_id=repo_id)

        def create_commit(self, repo_id, operations, **_):
            sent[repo_id] = sorted(operation.path_in_repo for operation in operations)

    monkeypatch.setattr("transformers.utils.hub.hf_api", Hub)
    model = PeftModel.from_pretrained(load_model(tiny_folder), folder)
    model.push_to_hub("someone/blocks")
    assert sent == {"someone/blocks": ["README.md", "adapter_config.json", "adapter_model.safetensors"]}


def test_loading_without_the_import_ends_with_the_methods_name(saved, tiny_folder):
    """PEFT has no entry points; its error names the method, and the file what to import."""
    folder, _ = saved
    code = f"""
from peft import PeftConfig
try:
    PeftConfig.from_pretrained({str(folder)!r})
except KeyError as error:
    print("missing", error)
import cayley_adapters
print(PeftConfig.from_pretrained({str(folder)!r}).peft_type.value)
"""
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["missing", "'CAYLEY'", "CAYLEY"]


def test_injection_without_a_wrapper_and_strange_calls():
    model = inject_adapter_in_model(
        CayleyConfig(target_modules=["0"], init_weights=False), nn.Sequential(nn.Linear(8, 4))
    )
    [layer] = adapted_layers(model).values()
    x = torch.randn(2, 3, 5, 8)
    assert torch.allclose(model(x[0, 0, 0]), model(x)[0, 0, 0], atol=1e-6)
    assert model(x[:0]).shape == (0, 3, 5, 4)
    turned = x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert torch.allclose(model(turned), model(x), atol=1e-6)
    assert repr(layer).startswith("cayley.CayleyLayer")
