"use strict";

const place = document.getElementById("docs");
Redoc.init(place.dataset.schema, { hideDownloadButton: false, sortTagsAlphabetically: true }, place);
