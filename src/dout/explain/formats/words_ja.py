"""The words of an explanation in Japanese, as readers of the book know them."""

from __future__ import annotations

from collections.abc import Mapping

_TITLES = {
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
    "title.picture": "一回の実行です。線の上が値、線の下が勾配です。",
}

_OUTLINE = {
    "since": "{left} = {right} を使います",
    "definition": "定義です",
    "formula": "{left} = {right}",
    "row": "{says}",
    "keep nothing": "残すものはありません。上流から伝わる勾配だけで足ります。",
    "keep the output": "出力だけで足ります。{y} を残せば、{inputs} は要りません。",
    "keep the mask": "マスクだけで足ります。{y} の要素ごとに 1 ビットを残します。",
    "keep the inputs": "{names} が必要です。出力は使いません。",
    "keep values": "{names} が必要です。",
    "keep one of them": "{names} が必要です。代わりに {y} でも足ります。",
    "kept for": "{kept}（{gradients} のため）",
    "line.is": "{term} です",
    "line.step": "手順 {step} です",
    "line.steps": "手順 {steps} です",
    "line.wrong": "誤りです",
    "line.instead": "{reason}：{instead}",
    "no_real_input": "勾配を求める実数の入力がありません",
    "unrolled": "順伝播の計算がサイズによって変わります。{where} を軸にわたるループを使わずに書いてください",
    "flat": "順伝播に微分できる計算がありません：{says} {where}",
    "one_side": "{flag}={value} のときの導出です",
    "strategy": "{why}",
    "style_not_run": "検証済みの NumPy のクラスから {library} 用に書きました。このコードは実行していません",
    "list.comma": "、",
    "list.and": " と ",
}

_AXES = {
    "added to each": "{name} は {axis} 個の行すべてに足されたので、勾配はそれらの和です",
    "sum over repeats": "{name} は {axis} に沿って繰り返されるので、勾配は {axis} についての和です",
    "matrix product": "{name}[{indices}] は {index} ごとに {other} と出会うので、勾配は {index} についての和です",
    "sum": "どの要素も和に一度だけ入るので、それぞれが和の勾配を受け取ります",
    "mean": "どの要素も平均の 1/{count} なので、勾配もその割合で受け取ります",
    "variance": "要素は、平均からの距離だけ分散を動かします",
    "product": "要素は、ほかの要素の積だけ全体の積を動かします",
    "largest": "勾配は最大の要素に流れます。等しい要素があれば分け合います",
    "smallest": "勾配は最小の要素に流れます。等しい要素があれば分け合います",
    "running sum": "要素は自分の位置から先の累積和すべてに入るので、それらの勾配を足し合わせます",
    "moved": "要素は移動するだけなので、勾配は元の位置に戻ります",
    "repeated": "{name} は繰り返されるので、繰り返しのすべての勾配を足し合わせます",
    "chosen": "選ばれた要素は勾配を受け取り、ほかは 0 です",
    "looked up": "{name} の同じ行が何度も選ばれることがあるので、使われた回数だけ勾配を足し合わせます",
    "overwritten": "上書きされた要素の勾配は 0 です",
    "written": "新しい要素は、書き込まれた場所の勾配を受け取ります",
    "part": "それぞれの入力は、勾配の自分の部分を受け取ります",
    "border": "縁には勾配が流れません",
    "half": "残る要素だけが勾配を受け取ります",
    "windows": "要素は複数の窓に入るので、それらの勾配を足し合わせます",
    "one for all": "{name} はすべての要素に共通の 1 つの数なので、勾配は要素についての和になります",
    "uses add up": "{name} は {count} 回使われるので、それぞれの勾配を足し合わせます",
    "output and uses add up": "{name} は出力であり、層の中でも使われるので、両方の勾配を足し合わせます",
}

_ENDS = {
    "stops": "{operator}（{place}）：{says}",
    "lost": "{event}：その先の勾配は分かりません",
}

_BESIDE = {
    "beside_given": "上の行の {name} が正しければ、これも正しい式です",
    "beside_use": "{gradient} のうち {through} を通って伝わる部分です",
    "beside_local": "{of} の {by} に関する微分です",
    "beside_kept": "順伝播の値をもう一度計算しています",
    "beside_again": "{value} をもう一度計算しています",
    "beside_piece": "{whole} の一部、または形状だけを変えたものです",
    "beside_opposite": "{gradient} の符号を変えたものです",
    "beside_on_the_way": "次の勾配への途中の計算です",
    "beside_start": "後の行で値が入ります",
    "beside_nearly": "丸めた数、または値を有限に保つための小さな数を除けば等しい式です",
    "beside_several": "{gradients} です",
    "beside_zero": "これは 0 ですが、{gradient} は 0 ではありません",
    "beside_no_dout": "dout が抜けています。これは局所的な微分だけです",
    "beside_sign": "符号が逆です",
    "beside_transposed": "転置が余分です",
    "beside_operand_transposed": "行列の一方の転置が誤っています",
    "beside_axis": "手順 {step} では {axes} について足します：axis={axis}",
    "beside_axis_here": "axis {mine} に沿っていますが、{gradient} は axis {axis} に沿います",
    "beside_not_summed": "手順 {step} では {axes} について足しますが、この行は足していません：axis={axis}",
    "beside_divided": "{n} で割っていますが、{gradient} は割りません",
    "beside_not_divided": "係数 1/{n} が抜けています",
    "beside_times": "{gradient} の {factor} 倍になっています",
    "beside_mask_missing": "マスクが抜けています。順伝播が止めるところでは {gradient} は 0 です",
    "beside_mask_contrary": "マスクが逆です",
    "beside_factor_missing": "係数 {factor} が抜けています",
    "beside_factor_extra": "係数 {factor} が余分です",
    "beside_divides": "{factor} で割っていますが、掛けるのが正しい式です",
    "beside_multiplies": "{factor} を掛けていますが、割るのが正しい式です",
    "beside_power": "指数が {mine} ですが、正しくは {right} です",
    "beside_part_missing": "{through} を通って伝わる部分が抜けています",
    "beside_part_twice": "{through} を通って伝わる部分を二度数えています",
    "beside_part_sign": "{through} を通って伝わる部分の符号が逆です",
    "beside_part_times": "{through} を通って伝わる部分が、正しい値の {factor} 倍になっています",
    "beside_part_divided": "{through} を通って伝わる部分が {n} 分の 1 になっています。{n} で割らないでください",
    "beside_part_not_divided": "{through} を通って伝わる部分が {n} 倍になっています。{n} で割ってください",
    "beside_term_sign": "項の一つの符号が逆です",
    "beside_swapped": "{right} のところに {mine} があります",
    "beside_other": "これは {other} で、{gradient} ではありません",
    "beside_overwritten": "同じ添字が繰り返されると、前の値が上書きされます。np.add.at なら足し合わせます",
    "beside_shape": "形状が {mine} ですが、{of} の形状は {right} です",
    "beside_layer": "{name} の backward が誤っています。そちらを見てください",
    "beside_differs": "これは {gradient} ではありません",
}

_NOT_DERIVED = {
    "derive unrolled gradient": "{where} の勾配の計算がサイズによって変わります。"
    "軸にわたるループを使わずに書いてください",
    "derive nowhere": "逆伝播に必要な {where} の値が、順伝播のどの行にもありません。順伝播で名前を付けてください",
    "derive no function": "{function} は NumPy で書けません。順伝播では使わないでください",
    "derive no scipy": "逆伝播に SciPy の {function} が必要です。"
    "順伝播のモジュールで scipy.special をインポートしてください",
    "derive number": "逆伝播の数（例では {numbers}）がサイズからどう決まるかわかりません。"
    "順伝播で属性に保存してください",
    "derive untried length": "長さ {length} を変えた例が見つかりません。ほかの長さと異なる例を与えてください",
    "derive order": "順伝播の reshape が別のメモリ順です。通常の順で reshape し、転置してください",
    "derive no style": "{why}",
    "derive no source": "順伝播のソースを読めません：{why}",
    "derive other bits": "値を保存する行を加えると順伝播の結果が変わります。上書きされる値には別の名前を付けてください",
    "derive writes dout": "見つかった逆伝播は dout に書き込みます",
    "derive writes input": "順伝播か逆伝播が入力に書き込みます。先にコピーしてください",
    "derive shares memory": "見つかった逆伝播は dout か入力のメモリを返します",
    "derive missing": "クラスに {names} の勾配が見つかりません",
    "derive refuted": "{name} の勾配として見つかった式は、すべてのサイズでは成り立ちません",
    "derive undecided": "これらの例では {name} の勾配について何もわかりません。微分できる点の例を与えてください",
    "derive float32": "逆伝播で float32 が float64 になります。順伝播に別の型の数があります",
    "derive not finite": "{name} の勾配が ±{size} で有限になりませんが、導関数は有限です。"
    "順伝播をオーバーフローしないように書いてください",
    "derive raises": "見つかったクラスが {error} を送出します",
}

ROWS: Mapping[str, str] = {  # what rows of primitives say where no gradient goes on
    "no gradient: a condition is not a number": "条件は数ではないので、勾配はありません",
    "no gradient: of several writes to one place the last one counts, and this says which they are": "同じ場所への"
    "書き込みは最後のものだけが残ります。どれが残るかには勾配がありません",
    "no gradient: made out of nothing": "何からも計算されていないので、勾配はありません",
    "no gradient: the sign is flat": "符号は区間ごとに一定なので、勾配はありません",
    "no gradient: steps are flat": "段の上では一定なので、勾配はありません",
    "no gradient: whole quotients are flat": "商の整数部分は区間ごとに一定なので、勾配はありません",
    "no gradient: rounded values are flat": "丸めた値は区間ごとに一定なので、勾配はありません",
    "no gradient: a place is not a number": "位置は数ではないので、勾配はありません",
}

JAPANESE: Mapping[str, str] = {**_TITLES, **_OUTLINE, **_AXES, **_ENDS, **_BESIDE, **_NOT_DERIVED}
