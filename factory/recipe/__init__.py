"""What a run is: every choice that a run makes, as strict models. YAML in, fingerprint out.

A file per section, and one per kind of recipe (`build.py`). A field made by `operational` may differ between two
attempts at one run (replicas, sizes, timeouts of machines); every other field is part of the fingerprint, and a run's
URI accepts one fingerprint only.
"""

from factory.recipe.answers import EquivalencePolicy, Verify
from factory.recipe.base import AnyRecipe, RunRecipe
from factory.recipe.build import Curate, Recipe, Solve, load
from factory.recipe.comparison import Decontaminate, Embedding, NearDuplicates
from factory.recipe.evaluate import Attempts, BenchmarkFiles, Evaluate
from factory.recipe.fields import Fraction, Positive
from factory.recipe.imported import Import
from factory.recipe.machines import Prices, Programs, SandboxSettings
from factory.recipe.models import AnyEngine, ChatSettings, EndpointSettings, Role, Teacher, VllmSettings
from factory.recipe.rejudge import Rejudge
from factory.recipe.sampling import Sampling
from factory.recipe.sources import Columns, Source
from factory.recipe.storage import JournalSettings, Publish
from factory.recipe.train import Train, TrainingData

__all__ = [
    "AnyEngine",
    "AnyRecipe",
    "Attempts",
    "BenchmarkFiles",
    "ChatSettings",
    "Columns",
    "Curate",
    "Decontaminate",
    "Embedding",
    "EndpointSettings",
    "EquivalencePolicy",
    "Evaluate",
    "Fraction",
    "Import",
    "JournalSettings",
    "NearDuplicates",
    "Positive",
    "Prices",
    "Programs",
    "Publish",
    "Recipe",
    "Rejudge",
    "Role",
    "RunRecipe",
    "Sampling",
    "SandboxSettings",
    "Solve",
    "Source",
    "Teacher",
    "Train",
    "TrainingData",
    "Verify",
    "VllmSettings",
    "load",
]
