"""scikit-learn on the backend "centimane": the same numbers as in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("sklearn")

from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

import centimane.joblib


@pytest.fixture(scope="module")
def data() -> tuple[Any, Any]:
    return make_classification(200, 20, n_informative=8, random_state=0)


@pytest.fixture(scope="module", autouse=True)
def workers(data: tuple[Any, Any]) -> Iterator[None]:
    centimane.joblib.register()
    with parallel_config(backend="centimane", n_jobs=2):
        cross_val_score(LogisticRegression(), *data, cv=4)
        yield
    centimane.joblib.shutdown()


def test_cross_val_score(data: tuple[Any, Any]) -> None:
    model = LogisticRegression(max_iter=300)
    assert list(cross_val_score(model, *data, cv=4)) == list(cross_val_score(model, *data, cv=4, n_jobs=1))


def test_random_forest(data: tuple[Any, Any]) -> None:
    forest = RandomForestClassifier(8, random_state=0)
    sequential = RandomForestClassifier(8, random_state=0, n_jobs=1)
    assert (forest.fit(*data).predict(data[0]) == sequential.fit(*data).predict(data[0])).all()


def test_grid_search_over_forests(data: tuple[Any, Any]) -> None:
    def search(n_jobs: int | None) -> dict[str, Any]:
        forest = RandomForestClassifier(random_state=0, n_jobs=2)
        grid = GridSearchCV(forest, {"n_estimators": [2, 5], "max_depth": [2, None]}, cv=3, n_jobs=n_jobs)
        return dict(grid.fit(*data).cv_results_)

    found, expected = search(None), search(1)
    assert list(found["mean_test_score"]) == list(expected["mean_test_score"])


def test_an_estimator_that_fails(data: tuple[Any, Any]) -> None:
    holes = data[0].copy()
    holes[0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        cross_val_score(LogisticRegression(), holes, data[1], cv=2, error_score="raise")
    assert len(cross_val_score(LogisticRegression(), *data, cv=2)) == 2
