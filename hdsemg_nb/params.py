"""Parameters: a notebook declares its own in a cell tagged *parameters*; others are refused.

A profile (params/<profile>/<notebook>.yaml) lists only what differs from that cell.
"""

import ast
import difflib
from pathlib import Path
from types import FunctionType, ModuleType

import yaml

from hdsemg_nb import paths


class _OneValuePerKey(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would take the last without a word."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"{key!r} stands twice, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


def read_yaml(path):
    """Read a YAML file of settings.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        When it is empty, no mapping, no YAML, or a key stands twice; names the file.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), _OneValuePerKey)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds {content!r}, expected lines such as name: value")
    return content


def refuse_unknown(names, known, where):
    """Refuse a name that is not known, with the nearest that is.

    Parameters
    ----------
    names, known : iterable of str
    where : str
        What the message says the names belong to.

    Raises
    ------
    ValueError
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), list(known), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"Unknown parameter {name!r} in {where}.{hint} Known: {sorted(known)}")


def check(namespace, notebook):
    """Check the parameters of a notebook: call it right after the parameters cell.

    papermill only logs a parameter that the notebook does not declare, but it does define it, so
    a misspelt name is found here, before anything runs.

    Parameters
    ----------
    namespace : dict
        `globals()` of the notebook.
    notebook : str
        Its name in notebooks/, without the suffix.

    Raises
    ------
    ValueError
        For a name that its cell does not declare, or a value of another type than the one there.
    """
    from papermill import inspect_notebook  # slow to import, and notebooks alone need it

    declared = inspect_notebook(str(paths.NOTEBOOKS / f"{notebook}.ipynb"))
    given = namespace.setdefault("_parameters", _user_names(namespace))  # a later call: the same
    refuse_unknown(given, declared, f"the parameters of {notebook}")
    for name in given:
        default, value = ast.literal_eval(declared[name]["default"]), namespace[name]
        if default is not None and not _alike(value, default):
            raise ValueError(
                f"{name}={value!r} in the parameters of {notebook} is {type(value).__name__}, "
                f"expected {type(default).__name__} as in {name} = {default!r}"
            )


def _alike(value, default):
    kinds = (int, float) if isinstance(default, float) else type(default)
    return isinstance(value, kinds) and isinstance(value, bool) == isinstance(default, bool)


def _user_names(namespace):
    hidden = {"In", "Out", "exit", "quit", "open", "get_ipython"}
    other = (ModuleType, FunctionType, type)
    names = [name for name in namespace if not name.startswith("_") and name not in hidden]
    return [name for name in names if not isinstance(namespace[name], other)]
