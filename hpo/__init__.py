"""The search: spaces, trials, studies, workers, final fit and report. The room that knows Optuna.

In Python and in notebooks:
    >>> import hpo
    >>> study = hpo.Study("smoke", trials=3)
    >>> study.run()
"""

import warnings
from typing import TYPE_CHECKING, Any

from hpo.study.provenance import VERSION

if TYPE_CHECKING:
    from hpo.api import Study as Study

__all__ = ["Study", "__version__"]

__version__ = VERSION

# Optuna brings tqdm, which asks for widgets in every notebook; nothing here draws its bars.
warnings.filterwarnings("ignore", "IProgress not found")


def __getattr__(name: str) -> Any:
    # A command that prints its help, or refuses an option, should not import all of this.
    if name != "Study":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hpo.api import Study

    return Study
