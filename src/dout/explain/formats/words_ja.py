"""The words of an explanation in Japanese, as readers of the book know them."""

from __future__ import annotations

from collections.abc import Mapping

JAPANESE: Mapping[str, str] = {
    # the titles of the parts
    "title.forward": "順伝播",
    "title.backward": "逆伝播",
    "title.backward_chain": "逆伝播（出力から入力へ）",
    "title.simplified": "式の整理",
    "title.beside": "あなたの backward",
    "title.not_explained": "説明できないところ",
    "title.explained": "{name}：逆伝播の導出",
    "title.step": "手順",
    "title.operator": "ノード",
    "title.local": "局所的な微分",
    "title.gradient": "勾配",
    "title.value": "値",
    "title.shapes": "形状",
    "title.code": "NumPy",
    "title.picture": "一回の実行：線の上が値、下が勾配です",
    # what forward keeps for backward
    "keeps.output": "出力だけで足ります。{kept} を残せば、{forgotten} は要りません。",
    "keeps.output_only": "出力だけで足ります。{kept} を残します。",
    "keeps.needs": "{needed}が必要です。出力は使いません。",
    "keeps.needs_too": "{needed}が必要です。",
    "keeps.nothing": "残すものはありません。上流から伝わる勾配だけで足ります。",
    "keeps.for": "{kept}（{gradients} のため）",
    # the user's own backward, line by line
    "line.is": "{term} です",
    "line.step": "手順 {step} です",
    "line.wrong": "誤りです",
    "line.instead": "：{instead}",
    # why a form equals the one before
    "since": "{left} = {right} だからです",
    "formula": "{left} = {right}",
    "row": "{says}",
    # lists
    "list.comma": "、",
    "list.and": "と",
}  # fmt: skip
