"""Who gets which version of reviews: asked of real Envoys, and of the configuration alone."""


def test_a_tester_gets_the_new_version(localmesh):
    answer = localmesh.get("http://reviews/", source="web", headers={"end-user": "tester"})

    assert answer.status == 200
    assert answer.json()["version"] == "v2"


def test_one_in_ten_others_gets_it(localmesh):
    explanation = localmesh.explain("http://reviews/", source="web")

    shares = {destination.subset: destination.percent for destination in explanation.destinations}
    assert shares == {"v1": 90, "v2": 10}
