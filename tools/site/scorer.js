// the order of what a search finds: names of the API and titles, then tutorials, messages of Troubleshooting before all
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([page, , , , score]) => score + (page.startsWith("94_") ? 8 : /^(index|commands|9[0-367]_)/.test(page) ? 3 : 0)
};
